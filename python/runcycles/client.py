"""The clients: every operation of the authority, for sync and async code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runcycles.base_client import BaseClient, warn_if_pending
from runcycles.encoding import Document, Operation, balance_query, decode, encode
from runcycles.enums import CommitOveragePolicy, Unit
from runcycles.options import Nested
from runcycles.reservation import AsyncReservation, Reservation, reserve_request
from runcycles.response import CyclesResponse

if TYPE_CHECKING:
    from typing_extensions import Self

    from runcycles.models import Action, Amount, Subject
    from runcycles.streaming import AsyncStreamReservation, OnLimit, StreamReservation, StreamUsage


class CyclesClient(BaseClient):
    """The client for sync code.

    Low-level calls take a request model or its JSON document as a dict, and
    never raise on an HTTP or transport problem: look at the response. The SDK
    fills in a missing `idempotency_key`.
    """

    def create_reservation(self, request: Document) -> CyclesResponse:
        """Holds an estimate on every budget of the subject."""
        return self._send("create_reservation", body=request)

    def commit_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Settles a reservation at what it really cost."""
        return self._send("commit", reservation_id, request)

    def release_reservation(self, reservation_id: str, request: Document | None = None) -> CyclesResponse:
        """Gives a reservation back."""
        return self._send("release", reservation_id, request if request is not None else {})

    def extend_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Moves a reservation's expiry outwards."""
        return self._send("extend", reservation_id, request)

    def decide(self, request: Document) -> CyclesResponse:
        """Asks whether a call would be allowed, without holding anything."""
        return self._send("decide", body=request)

    def create_event(self, request: Document) -> CyclesResponse:
        """Records spending that had no reservation."""
        return self._send("create_event", body=request)

    def get_balances(self, **query: Any) -> CyclesResponse:
        """Lists budgets; at least one subject filter such as `tenant=` is needed."""
        return self._send("get_balances", query=balance_query(query))

    def list_reservations(self, **query: Any) -> CyclesResponse:
        """Lists reservations by subject, status and time."""
        return self._send("list_reservations", query=query)

    def get_reservation(self, reservation_id: str) -> CyclesResponse:
        """Looks one reservation up."""
        return self._send("get_reservation", reservation_id)

    def reserve(
        self,
        estimate: int | Amount,
        *,
        unit: Unit | str = Unit.USD_MICROCENTS,
        action_kind: str | None = None,
        action_name: str | None = None,
        action_tags: Sequence[str] | None = None,
        ttl_ms: int | None = None,
        grace_period_ms: int | None = None,
        overage_policy: CommitOveragePolicy | str | None = None,
        nested: Nested | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        tenant: str | None = None,
        workspace: str | None = None,
        app: str | None = None,
        workflow: str | None = None,
        agent: str | None = None,
        toolset: str | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> Reservation:
        """Guards a block: `with client.reserve(usd("0.02")) as held: held.actual = …`.

        The options are those of `@cycles`. Entering raises what the authority
        refuses with; see `Reservation` for the end of the block.
        """
        options = dict(locals())
        return Reservation(self._native, *reserve_request(options))

    def stream_reservation(
        self,
        *,
        subject: Subject | Mapping[str, Any] | None = None,
        action: Action | Mapping[str, Any],
        estimate: Amount,
        ttl_ms: int | None = None,
        grace_period_ms: int | None = None,
        overage_policy: CommitOveragePolicy | str | None = None,
        cost_fn: Callable[[StreamUsage], int] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        raise_on_commit_failure: bool = False,
        on_limit: OnLimit = "finish",
        extend_by: int | Amount | None = None,
        nested: Nested | None = None,
    ) -> StreamReservation:
        """Holds budget for a stream: reserves on enter, commits what was used on exit.

        Count in `usage` as pieces flow. What it cost is `usage.actual_cost`, else what
        `cost_fn` makes of the usage, else the tokens where the unit is TOKENS, else the
        estimate, marked. When the hold is used up, `on_limit` lets the stream go on
        (`finish`), ends it (`cut`), or takes a further reservation of `extend_by`, else
        the estimate (`extend`): hand the pieces through `watch`, or ask `proceed`.
        A block that raises commits what was used; before any output it is released.
        """
        options = dict(locals())
        from runcycles.streaming import StreamReservation

        return StreamReservation(options.pop("self"), **options)

    def as_async(self) -> AsyncCyclesClient:
        """An async client on the same connection and authority; closing one closes both."""
        client = AsyncCyclesClient.__new__(AsyncCyclesClient)
        self._share(client)
        return client

    def flush(self, timeout: float | None = None) -> int:
        """Waits for settlements that are still under way; answers how many remain."""
        return self._native.flush(self._flush_ms(timeout))

    def close(self) -> None:
        """Flushes and ends the client."""
        self._left()
        warn_if_pending(self.flush())
        self._native.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        self.close()

    def _send(
        self,
        operation: Operation,
        reservation_id: str | None = None,
        body: Document | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> CyclesResponse:
        return decode(self._native.send(*encode(operation, reservation_id, body, query)))


class AsyncCyclesClient(BaseClient):
    """The client for async code; the same calls as `CyclesClient`, awaited."""

    async def create_reservation(self, request: Document) -> CyclesResponse:
        """Holds an estimate on every budget of the subject."""
        return await self._send("create_reservation", body=request)

    async def commit_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Settles a reservation at what it really cost."""
        return await self._send("commit", reservation_id, request)

    async def release_reservation(
        self, reservation_id: str, request: Document | None = None
    ) -> CyclesResponse:
        """Gives a reservation back."""
        return await self._send("release", reservation_id, request if request is not None else {})

    async def extend_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Moves a reservation's expiry outwards."""
        return await self._send("extend", reservation_id, request)

    async def decide(self, request: Document) -> CyclesResponse:
        """Asks whether a call would be allowed, without holding anything."""
        return await self._send("decide", body=request)

    async def create_event(self, request: Document) -> CyclesResponse:
        """Records spending that had no reservation."""
        return await self._send("create_event", body=request)

    async def get_balances(self, **query: Any) -> CyclesResponse:
        """Lists budgets; at least one subject filter such as `tenant=` is needed."""
        return await self._send("get_balances", query=balance_query(query))

    async def list_reservations(self, **query: Any) -> CyclesResponse:
        """Lists reservations by subject, status and time."""
        return await self._send("list_reservations", query=query)

    async def get_reservation(self, reservation_id: str) -> CyclesResponse:
        """Looks one reservation up."""
        return await self._send("get_reservation", reservation_id)

    def reserve(
        self,
        estimate: int | Amount,
        *,
        unit: Unit | str = Unit.USD_MICROCENTS,
        action_kind: str | None = None,
        action_name: str | None = None,
        action_tags: Sequence[str] | None = None,
        ttl_ms: int | None = None,
        grace_period_ms: int | None = None,
        overage_policy: CommitOveragePolicy | str | None = None,
        nested: Nested | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        tenant: str | None = None,
        workspace: str | None = None,
        app: str | None = None,
        workflow: str | None = None,
        agent: str | None = None,
        toolset: str | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> AsyncReservation:
        """Guards a block: `async with client.reserve(usd("0.02")) as held: held.actual = …`.

        The options are those of `@cycles`. Entering raises what the authority
        refuses with; see `Reservation` for the end of the block.
        """
        options = dict(locals())
        return AsyncReservation(self._native, *reserve_request(options))

    def stream_reservation(
        self,
        *,
        subject: Subject | Mapping[str, Any] | None = None,
        action: Action | Mapping[str, Any],
        estimate: Amount,
        ttl_ms: int | None = None,
        grace_period_ms: int | None = None,
        overage_policy: CommitOveragePolicy | str | None = None,
        cost_fn: Callable[[StreamUsage], int] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        raise_on_commit_failure: bool = False,
        on_limit: OnLimit = "finish",
        extend_by: int | Amount | None = None,
        nested: Nested | None = None,
    ) -> AsyncStreamReservation:
        """Holds budget for a stream: reserves on enter, commits what was used on exit.

        Count in `usage` as pieces flow. What it cost is `usage.actual_cost`, else what
        `cost_fn` makes of the usage, else the tokens where the unit is TOKENS, else the
        estimate, marked. When the hold is used up, `on_limit` lets the stream go on
        (`finish`), ends it (`cut`), or takes a further reservation of `extend_by`, else
        the estimate (`extend`): hand the pieces through `watch`, or ask `proceed`.
        A block that raises commits what was used; before any output it is released.
        """
        options = dict(locals())
        from runcycles.streaming import AsyncStreamReservation

        return AsyncStreamReservation(options.pop("self"), **options)

    def as_sync(self) -> CyclesClient:
        """A sync client on the same connection and authority; closing one closes both."""
        client = CyclesClient.__new__(CyclesClient)
        self._share(client)
        return client

    async def flush(self, timeout: float | None = None) -> int:
        """Waits for settlements that are still under way; answers how many remain."""
        return await self._native.flush_async(self._flush_ms(timeout))

    async def aclose(self) -> None:
        """Flushes and ends the client."""
        self._left()
        warn_if_pending(await self.flush())
        self._native.close()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        await self.aclose()

    async def _send(
        self,
        operation: Operation,
        reservation_id: str | None = None,
        body: Document | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> CyclesResponse:
        return decode(await self._native.send_async(*encode(operation, reservation_id, body, query)))


AnyClient = CyclesClient | AsyncCyclesClient
