"""The answer to a low-level call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runcycles.exceptions import CyclesTransportError

if TYPE_CHECKING:
    from runcycles.models import ErrorResponse

TRANSPORT_FAILURE = -1


@dataclass
class CyclesResponse:
    """Status, body and headers of one answer.

    Low-level calls never raise on an HTTP or transport problem: a transport
    failure has status -1 and an `error_message`. Header names are lowercase.
    """

    status: int
    body: dict[str, Any] | None = None
    error_message: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    transport_exception: Exception | None = field(default=None, repr=False)

    @classmethod
    def success(
        cls, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> CyclesResponse:
        """A 2xx answer, for tests of your own."""
        return cls(status=status, body=body, headers=_lowercase(headers))

    @classmethod
    def http_error(
        cls,
        status: int,
        error_message: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> CyclesResponse:
        """A 4xx or 5xx answer, for tests of your own."""
        return cls(status=status, body=body, error_message=error_message, headers=_lowercase(headers))

    @classmethod
    def transport_error(cls, ex: Exception) -> CyclesResponse:
        """No answer, because of `ex`, for tests of your own."""
        return cls(status=TRANSPORT_FAILURE, error_message=str(ex), transport_exception=ex)

    @classmethod
    def from_native(
        cls, status: int, body: Any, headers: Sequence[tuple[str, str]], error_message: str | None
    ) -> CyclesResponse:
        """Wraps what the native module answered."""
        named = {name.lower(): value for name, value in headers}
        message = error_message
        if message is None and status >= 300:
            fields = body if isinstance(body, dict) else {}
            message = fields.get("message") or fields.get("error") or f"status {status} without a message"
        exception = CyclesTransportError(message or "") if status == TRANSPORT_FAILURE else None
        return cls(status, body, message, named, exception)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status < 500

    @property
    def is_server_error(self) -> bool:
        """Whether the status is 5xx."""
        return 500 <= self.status < 600

    @property
    def is_transport_error(self) -> bool:
        """Whether no answer arrived; `transport_exception` says why."""
        return self.status == TRANSPORT_FAILURE

    def header(self, name: str) -> str | None:
        """A header by name, in any case."""
        return self.headers.get(name.lower())

    @property
    def request_id(self) -> str | None:
        """The authority's id of this request."""
        return self.header("x-request-id") or self.get_body_attribute("request_id")

    @property
    def trace_id(self) -> str | None:
        """The trace that this request belongs to."""
        return self.header("x-cycles-trace-id") or self.get_body_attribute("trace_id")

    @property
    def rate_limit_remaining(self) -> int | None:
        """Requests left in the current window."""
        return _integer(self.header("x-ratelimit-remaining"))

    @property
    def rate_limit_reset(self) -> int | None:
        """When the window ends, in Unix seconds."""
        return _integer(self.header("x-ratelimit-reset"))

    @property
    def cycles_tenant(self) -> str | None:
        """The tenant that the API key belongs to."""
        return self.header("x-cycles-tenant")

    @property
    def retry_after_ms_header(self) -> int | None:
        """How long to wait, from Retry-After; the contract knows whole seconds only."""
        seconds = _integer(self.header("retry-after"))
        return seconds * 1000 if seconds is not None and seconds >= 0 else None

    @property
    def server_date_ms(self) -> int | None:
        """The Date header in Unix milliseconds; too coarse for lease arithmetic."""
        date = self.header("date")
        if date is None:
            return None
        from datetime import timezone
        from email.utils import parsedate_to_datetime

        try:
            parsed = parsedate_to_datetime(date)
        except ValueError:
            return None
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=timezone.utc)
        return int(parsed.timestamp() * 1000)

    def get_body_attribute(self, key: str) -> Any:
        """A top-level field of the body, None where there is none."""
        return self.body.get(key) if isinstance(self.body, dict) else None

    def get_error_response(self) -> ErrorResponse | None:
        """The body of an error answer, None for anything else."""
        if not isinstance(self.body, dict) or "error" not in self.body:
            return None
        from pydantic import ValidationError

        from runcycles.models import ErrorResponse

        try:
            return ErrorResponse.model_validate(self.body)
        except ValidationError:
            return None


def _lowercase(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
