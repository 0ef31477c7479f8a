"""`with client.reserve(…)`: a guarded block of code."""

from __future__ import annotations

from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runcycles import _native
from runcycles.context import CyclesContext, Settlement, activate, current_guard, deactivate, reason
from runcycles.options import commit_request, spent_document

if TYPE_CHECKING:
    from typing_extensions import Self

    from runcycles.models import Amount


class _Reservation(CyclesContext):
    """Budget that is held for a block."""

    def __init__(self, client: _native.Client, request: str, unit: str) -> None:
        """Belongs to `client.reserve`."""
        self._client = client
        self._request = request
        self._unit = unit
        self._guard = None
        self._fields = None
        self._token: Token[CyclesContext | None] | None = None
        self.actual: float | Amount | None = None
        """What it cost, set inside of the block; the estimate unless set."""
        self.metrics = None
        self.commit_metadata = None
        self.settlement = None

    def _held(self) -> _native.Guard:
        if not isinstance(self._guard, _native.Guard):
            raise RuntimeError("nothing is reserved yet: enter the `with` block first")
        return self._guard

    def _entered(self, guard: _native.Guard) -> None:
        self.enter(guard)
        self._token = activate(self)

    def _left(self) -> None:
        if self._token is not None:
            deactivate(self._token)
            self._token = None

    def _commit(self, actual: float | Amount | None) -> str:
        actual = self.actual if actual is None else actual
        return commit_request(self, None if actual is None else spent_document(actual, self._unit))

    def _end(self, error: BaseException | None) -> str | None:
        """The commit that the end of the block makes; None where it releases."""
        if error is not None and self.actual is None:
            return None
        try:
            return self._commit(None)
        except ValueError:
            # The work has run: it is booked at its estimate rather than not at all.
            return commit_request(self, None, {"actual_source": "estimate"})


class Reservation(_Reservation):
    """Budget that is held for a `with` block.

    At its end the block is committed at `actual`, or at its estimate; a block
    that raises is released, unless `actual` was set: then that is committed.
    `commit` and `release` settle it early. It is the block's context, with the
    fields of `CyclesContext`.
    """

    def __enter__(self) -> Self:
        """Reserves; raises the refusal."""
        self._entered(self._client.begin(self._request, current_guard()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settles, unless the block did."""
        try:
            if self.settlement is None:
                request = self._end(error)
                if request is None:
                    self.settled(self._held().release(reason(error) if error is not None else None))
                else:
                    self.settled(self._held().commit(request))
        finally:
            self._left()

    def commit(self, actual: float | Amount | None = None) -> Settlement:
        """Settles now, at `actual`, else at `self.actual`, else at the estimate."""
        return self.settled(self._held().commit(self._commit(actual)))

    def release(self, reason: str | None = None) -> Settlement:
        """Gives everything back now."""
        return self.settled(self._held().release(reason))


class AsyncReservation(_Reservation):
    """Budget that is held for an `async with` block; see `Reservation`."""

    async def __aenter__(self) -> Self:
        """Reserves; raises the refusal."""
        self._entered(await self._client.begin_async(self._request, current_guard()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settles, unless the block did."""
        try:
            if self.settlement is None:
                request = self._end(error)
                if request is None:
                    released = self._held().release_async(reason(error) if error is not None else None)
                    self.settled(await released)
                else:
                    self.settled(await self._held().commit_async(request))
        finally:
            self._left()

    async def commit(self, actual: float | Amount | None = None) -> Settlement:
        """Settles now, at `actual`, else at `self.actual`, else at the estimate."""
        return self.settled(await self._held().commit_async(self._commit(actual)))

    async def release(self, reason: str | None = None) -> Settlement:
        """Gives everything back now."""
        return self.settled(await self._held().release_async(reason))


def reserve_request(options: dict[str, Any]) -> tuple[str, str]:
    """The guard request of a block, and its unit."""
    from runcycles.options import SUBJECT_FIELDS, Options, lease_options

    subject = {name: options.get(name) for name in SUBJECT_FIELDS}
    action = {name: options.get(f"action_{name}") for name in ("kind", "name", "tags")}
    lease = lease_options(
        options.get("ttl_ms"),
        options.get("grace_period_ms"),
        options.get("overage_policy"),
        options.get("nested"),
        metadata=options.get("metadata"),
        idempotency_key=options.get("idempotency_key"),
    )
    checked = Options(options["estimate"], None, options["unit"], subject, action, lease)
    unit = getattr(options["estimate"], "unit", None) or checked.unit
    return checked.request((), {}), str(unit)
