"""The wire's enumerations."""

from __future__ import annotations

from enum import Enum


class _WireEnum(str, Enum):
    """A string on the wire, a named constant here."""

    def __str__(self) -> str:
        return str(self.value)


class Unit(_WireEnum):
    """What an amount counts."""

    USD_MICROCENTS = "USD_MICROCENTS"
    TOKENS = "TOKENS"
    CREDITS = "CREDITS"
    RISK_POINTS = "RISK_POINTS"


class CommitOveragePolicy(_WireEnum):
    """What happens when the actual exceeds the reservation."""

    REJECT = "REJECT"
    ALLOW_IF_AVAILABLE = "ALLOW_IF_AVAILABLE"
    ALLOW_WITH_OVERDRAFT = "ALLOW_WITH_OVERDRAFT"


class Decision(_WireEnum):
    """The authority's verdict."""

    ALLOW = "ALLOW"
    ALLOW_WITH_CAPS = "ALLOW_WITH_CAPS"
    DENY = "DENY"


class ReservationStatus(_WireEnum):
    """Where a reservation stands."""

    ACTIVE = "ACTIVE"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class CommitStatus(_WireEnum):
    """The status of an accepted commit."""

    COMMITTED = "COMMITTED"


class ReleaseStatus(_WireEnum):
    """The status of an accepted release."""

    RELEASED = "RELEASED"


class ExtendStatus(_WireEnum):
    """The status of an accepted extension."""

    ACTIVE = "ACTIVE"


class EventStatus(_WireEnum):
    """The status of an accepted event."""

    APPLIED = "APPLIED"


class ErrorCode(_WireEnum):
    """The codes of error answers; `UNKNOWN` stands for any newer one."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    BUDGET_FROZEN = "BUDGET_FROZEN"
    BUDGET_CLOSED = "BUDGET_CLOSED"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    RESERVATION_FINALIZED = "RESERVATION_FINALIZED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    OVERDRAFT_LIMIT_EXCEEDED = "OVERDRAFT_LIMIT_EXCEEDED"
    DEBT_OUTSTANDING = "DEBT_OUTSTANDING"
    MAX_EXTENSIONS_EXCEEDED = "MAX_EXTENSIONS_EXCEEDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    TENANT_CLOSED = "TENANT_CLOSED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def from_string(cls, value: str | None) -> ErrorCode | None:
        """The constant for a wire code, `UNKNOWN` for one that is newer than this SDK."""
        if value is None:
            return None
        return cls(value) if value in cls._value2member_map_ else cls.UNKNOWN

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self in (ErrorCode.INTERNAL_ERROR, ErrorCode.LIMIT_EXCEEDED, ErrorCode.UNKNOWN)
