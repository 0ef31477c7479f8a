"""What can go wrong, one class per case that a caller would treat differently."""

from __future__ import annotations

import json
from typing import Any


class CyclesError(Exception):
    """Base of everything that this package raises.

    `code` is the authority's error code where it sent one, `request_id` and
    `trace_id` identify the request in its logs, `retry_after_ms` is how long to
    wait where it said so.
    """

    def __init__(
        self,
        message: str = "",
        *args: Any,
        code: str | None = None,
        status: int | None = None,
        reason_code: str | None = None,
        request_id: str | None = None,
        trace_id: str | None = None,
        retry_after_ms: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Creates an error."""
        super().__init__(message, *args)
        self.message = message
        self.code = code
        self.status = status
        self.reason_code = reason_code
        self.request_id = request_id
        self.trace_id = trace_id
        self.retry_after_ms = retry_after_ms
        self.details = details

    @property
    def error_code(self) -> str | None:
        """The same as `code`."""
        return self.code

    def __repr__(self) -> str:
        """The class, the code where there is one, and the message."""
        code = f"{self.code}, " if self.code else ""
        return f"{type(self).__name__}({code}{str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process boundaries with their fields."""
        return (_rebuild, (type(self), self.message, self._fields()))

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _REPORT_FIELDS}

    def is_budget_exceeded(self) -> bool:
        """Whether the budget did not suffice."""
        return self.code == "BUDGET_EXCEEDED"

    def is_overdraft_limit_exceeded(self) -> bool:
        """Whether a budget is over its overdraft limit."""
        return self.code == "OVERDRAFT_LIMIT_EXCEEDED"

    def is_debt_outstanding(self) -> bool:
        """Whether a budget has debt and no overdraft."""
        return self.code == "DEBT_OUTSTANDING"

    def is_tenant_closed(self) -> bool:
        """Whether the tenant has ended."""
        return self.code == "TENANT_CLOSED"

    def is_reservation_expired(self) -> bool:
        """Whether the reservation ran out."""
        return self.code == "RESERVATION_EXPIRED"

    def is_reservation_finalized(self) -> bool:
        """Whether the reservation was settled before."""
        return self.code == "RESERVATION_FINALIZED"

    def is_idempotency_mismatch(self) -> bool:
        """Whether the key was used for a different request."""
        return self.code == "IDEMPOTENCY_MISMATCH"

    def is_unit_mismatch(self) -> bool:
        """Whether the budget counts in another unit."""
        return self.code == "UNIT_MISMATCH"

    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code in ("INTERNAL_ERROR", "LIMIT_EXCEEDED", "UNKNOWN") or (self.status or 0) >= 500


class CyclesProtocolError(CyclesError):
    """The authority answered, and the answer was no; or no answer came (`status == -1`)."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        error_code: str | None = None,
        reason_code: str | None = None,
        retry_after_ms: int | None = None,
        request_id: str | None = None,
        details: dict[str, Any] | None = None,
        code: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Creates an error; `error_code` and `code` are the same."""
        super().__init__(
            message,
            code=code if code is not None else error_code,
            status=status,
            reason_code=reason_code,
            request_id=request_id,
            trace_id=trace_id,
            retry_after_ms=retry_after_ms,
            details=details,
        )


class BudgetExceededError(CyclesProtocolError):
    """The call does not fit into the budget."""


class OverdraftLimitExceededError(CyclesProtocolError):
    """A budget is over its overdraft limit."""


class DebtOutstandingError(CyclesProtocolError):
    """A budget has debt that must be repaid first."""


class TenantClosedError(CyclesProtocolError):
    """The tenant has ended."""


class ReservationExpiredError(CyclesProtocolError):
    """The reservation ran out before it was settled."""


class ReservationFinalizedError(CyclesProtocolError):
    """The reservation was settled before."""


class CyclesTransportError(CyclesProtocolError):
    """No answer arrived; what the request did is unknown. Its `status` is -1."""

    def __init__(self, message: str = "", *, cause: BaseException | None = None, **fields: Any) -> None:
        """Creates an error; `cause` is the exception behind it."""
        fields["status"] = -1
        super().__init__(message, **fields)
        self.cause = cause
        self.__cause__ = cause

    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return True


class CyclesValidationError(CyclesError, ValueError):
    """An argument cannot be sent as it is; nothing was sent."""


class CyclesConfigError(CyclesError, ValueError):
    """The configuration is incomplete or does not parse."""


class CyclesTypeError(CyclesError, TypeError):
    """An argument is of the wrong type, such as an async client for a sync function."""


class CyclesInternalError(CyclesError):
    """A defect of this package; please report it."""


CLASS_BY_KIND: dict[str, type[CyclesError]] = {
    "Protocol": CyclesProtocolError,
    "BudgetExceeded": BudgetExceededError,
    "OverdraftLimitExceeded": OverdraftLimitExceededError,
    "DebtOutstanding": DebtOutstandingError,
    "TenantClosed": TenantClosedError,
    "ReservationExpired": ReservationExpiredError,
    "ReservationFinalized": ReservationFinalizedError,
    "Transport": CyclesTransportError,
    "Validation": CyclesValidationError,
    "Config": CyclesConfigError,
    "Internal": CyclesInternalError,
}

_REPORT_FIELDS = ("code", "status", "reason_code", "request_id", "trace_id", "retry_after_ms", "details")


def error_from_report(report: str | dict[str, Any]) -> CyclesError:
    """The exception for an error report of the native module."""
    fields = json.loads(report) if isinstance(report, str) else report
    error_class = CLASS_BY_KIND.get(fields.get("kind", ""), CyclesInternalError)
    return _rebuild(
        error_class, fields.get("message", ""), {name: fields.get(name) for name in _REPORT_FIELDS}
    )


def _rebuild(error_class: type[CyclesError], message: str, fields: dict[str, Any]) -> CyclesError:
    return error_class(message, **fields)
