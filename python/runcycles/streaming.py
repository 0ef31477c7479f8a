"""Streams: budget that is held while output flows, and watched."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextvars import Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from runcycles import _native
from runcycles.context import CyclesContext, Settlement, activate, current_guard, deactivate, reason
from runcycles.enums import CommitOveragePolicy, Decision
from runcycles.exceptions import CyclesError, CyclesValidationError
from runcycles.leases import LeaseWatch
from runcycles.options import Nested, amount_document, present, to_json

if TYPE_CHECKING:
    from typing_extensions import Self

    from runcycles.client import AnyClient
    from runcycles.models import Action, Amount, Caps, Subject

T = TypeVar("T")
OnLimit = Literal["finish", "cut", "extend"]

_logger = logging.getLogger("runcycles")


@dataclass
class StreamUsage:
    """What a stream has used so far; yours to update while it flows."""

    tokens_input: int = 0
    tokens_output: int = 0
    actual_cost: int | None = None
    model_version: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)

    def add_input_tokens(self, count: int) -> None:
        """Counts tokens that went in."""
        self.tokens_input += count

    def add_output_tokens(self, count: int) -> None:
        """Counts tokens that came out."""
        self.tokens_output += count

    def set_actual_cost(self, amount: int) -> None:
        """Says what it has cost in all, in the estimate's unit."""
        self.actual_cost = amount


class _StreamContext(CyclesContext):
    """The context of a stream, which tells the core what was counted before a call inside begins."""

    stream: _Stream

    def _as_parent(self) -> _native.Guard | _native.Stream | None:
        self.stream._live().count(self.stream._used())
        return self._guard


class _Stream:
    """What both kinds of streams share."""

    def __init__(
        self,
        client: AnyClient,
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
    ) -> None:
        """See `client.stream_reservation`."""
        self._client = client._native
        if not hasattr(estimate, "unit"):
            raise CyclesValidationError(
                f"estimate must be an Amount, such as usd('0.02') or Amount.tokens(500) value={estimate!r}"
            )
        amount = amount_document("estimate", estimate, str(estimate.unit))
        if extend_by is not None:
            extend_by = amount_document("extend_by", extend_by, amount["unit"])["amount"]
        request = {
            "subject": _document(subject),
            "action": _document(action),
            "estimate": amount,
            "ttl_ms": ttl_ms,
            "grace_period_ms": grace_period_ms,
            "overage_policy": overage_policy,
            "idempotency_key": idempotency_key,
            "nested": nested,
        }
        self._request = to_json("the stream's options are", present(request))
        self._options = to_json("on_limit is", present({"on_limit": on_limit, "extend_by": extend_by}))
        self._cost_fn = cost_fn
        self._metadata = metadata
        self._raise_on_commit_failure = raise_on_commit_failure
        self._usage = StreamUsage()
        self._stream: _native.Stream | None = None
        self._context: CyclesContext | None = None
        self._token: Token[CyclesContext | None] | None = None
        self._limit_error: CyclesError | None = None

    @property
    def usage(self) -> StreamUsage:
        """What was used so far; update it as pieces flow."""
        return self._usage

    @property
    def context(self) -> CyclesContext:
        """The first reservation, as `get_cycles_context()` answers it inside of the block."""
        if self._context is None:
            raise RuntimeError("nothing is reserved yet: enter the `with` block first")
        return self._context

    @property
    def reservation_id(self) -> str:
        """The first reservation's id."""
        if self._context is None:
            raise RuntimeError("reservation_id not available outside context manager")
        return self._context.reservation_id

    @property
    def reservation_ids(self) -> list[str]:
        """All reservations that the stream has taken (`on_limit="extend"`)."""
        ids: list[str] = self._now()["reservation_ids"]
        return ids

    @property
    def caps(self) -> Caps | None:
        """Limits that came with the allowance."""
        return self._context.caps if self._context is not None else None

    @property
    def decision(self) -> Decision:
        """ALLOW or ALLOW_WITH_CAPS."""
        return self._context.decision if self._context is not None else Decision.ALLOW

    @property
    def is_cut(self) -> bool:
        """Whether no more output should flow."""
        return self._stream is not None and bool(self._now()["is_cut"])

    @property
    def limit_error(self) -> CyclesError | None:
        """Why it was cut, where a further hold was refused or a lease was lost."""
        return self._limit_error

    @property
    def settlement(self) -> Settlement | None:
        """How it was settled; None before."""
        return self._context.settlement if self._context is not None else None

    @property
    def settlement_error(self) -> CyclesError | None:
        """Why what was used is not booked yet, or will not be."""
        settlement = self.settlement
        return settlement.error if settlement is not None and settlement.outcome != "released" else None

    @property
    def release_error(self) -> CyclesError | None:
        """Why the hold was not given back."""
        settlement = self.settlement
        return settlement.error if settlement is not None and settlement.outcome == "released" else None

    def __repr__(self) -> str:
        """Which reservation, and what was used."""
        where = "not entered" if self._context is None else self._context.reservation_id
        return f"<{type(self).__name__} {where} {self._usage}>"

    def _live(self) -> _native.Stream:
        if self._stream is None:
            raise RuntimeError("nothing is reserved yet: enter the `with` block first")
        return self._stream

    def _now(self) -> dict[str, Any]:
        now: dict[str, Any] = json.loads(self._live().context())
        return now

    def _entered(self, stream: _native.Stream) -> None:
        self._stream = stream
        context = _StreamContext.__new__(_StreamContext)
        context.enter(stream)
        context.stream = self
        self._context = context
        self._token = activate(self._context)

    def _left(self) -> None:
        if self._token is not None:
            deactivate(self._token)
            self._token = None

    def _used(self) -> str:
        usage, context = self._usage, self.context
        metrics = context.metrics.to_wire() if context.metrics is not None else {}
        document = {
            "tokens_input": usage.tokens_input,
            "tokens_output": usage.tokens_output,
            "actual": usage.actual_cost,
            "cost": self._cost(),
            "metrics": {"model_version": usage.model_version, "custom": usage.custom or None, **metrics},
            "metadata": {**(self._metadata or {}), **(context.commit_metadata or {})} or None,
        }
        try:
            return json.dumps(document, allow_nan=False)
        except (TypeError, ValueError) as error:
            _logger.warning("committing without metrics and metadata error=%r", error)
            numbers = ("tokens_input", "tokens_output", "actual", "cost")
            return json.dumps({name: document[name] for name in numbers if type(document[name]) is int})

    def _cost(self) -> int | None:
        if self._cost_fn is None or self._usage.actual_cost is not None:
            return None
        try:
            return self._cost_fn(self._usage)
        except Exception as error:
            # Output has flowed and must be paid for.
            _logger.warning("cost_fn raised and is left out error=%r", error)
            return None

    def _flow(self, flow: tuple[str, CyclesError | None]) -> bool:
        verdict, error = flow
        self._limit_error = error or self._limit_error
        return verdict == "continue"

    def _ended(self, native: _native.Settlement) -> None:
        settlement = self.context.settled(native)
        if self._raise_on_commit_failure and settlement.outcome in ("pending", "refused"):
            raise settlement.error or CyclesError(f"the stream is not booked outcome={settlement.outcome}")


class StreamReservation(_Stream):
    """Holds budget from the begin of a `with` block to its end; see `client.stream_reservation`."""

    def __enter__(self) -> Self:
        """Reserves; raises the refusal."""
        self._entered(self._client.begin_stream(self._request, self._options, current_guard()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commits what was used; a block that raised before any output is released."""
        try:
            if error is None:
                self._ended(self._live().finish(self._used()))
            else:
                self.context.settled(self._live().abort(self._used(), reason(error)))
        finally:
            self._left()

    def proceed(self) -> bool:
        """Whether more output may flow, after what `usage` says; ask before each piece.

        False: end the stream. `limit_error` says why, where there is more to say.
        """
        return self._flow(self._live().proceed(self._used()))

    def watch(self, pieces: Iterable[T]) -> Iterator[T]:
        """Hands `pieces` on for as long as more may flow; count each in `usage`."""
        source = iter(pieces)
        try:
            while self.proceed():
                try:
                    piece = next(source)
                except StopIteration:
                    return
                yield piece
        finally:
            _close(source)


class AsyncStreamReservation(_Stream):
    """Holds budget from the begin of an `async with` block to its end."""

    async def __aenter__(self) -> Self:
        """Reserves; raises the refusal."""
        begun = self._client.begin_stream_async(self._request, self._options, current_guard())
        self._entered(await begun)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commits what was used; a block that raised before any output is released."""
        try:
            if error is None:
                self._ended(await self._live().finish_async(self._used()))
            else:
                self.context.settled(await self._live().abort_async(self._used(), reason(error)))
        finally:
            self._left()

    async def proceed(self) -> bool:
        """Whether more output may flow, after what `usage` says; ask before each piece.

        False: end the stream. `limit_error` says why, where there is more to say.
        """
        return self._flow(await self._live().proceed_async(self._used()))

    async def watch(self, pieces: AsyncIterable[T]) -> AsyncIterator[T]:
        """Hands `pieces` on for as long as more may flow; count each in `usage`.

        Under `heartbeat_policy="cancel"` a lost lease also ends the wait for a piece.
        """
        source = aiter(pieces)
        lease = LeaseWatch(self._live().lost_async())
        lease.armed = False
        try:
            while await self.proceed():
                lease.arm()
                try:
                    piece = await anext(source)
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    if not lease.caused():
                        raise
                    self._limit_error = lease.loss()
                    return
                finally:
                    lease.armed = False
                yield piece
        finally:
            lease.close()
            await _aclose(source)


def _document(model: Any) -> Any:
    return model.model_dump(mode="json", exclude_none=True) if hasattr(model, "model_dump") else model


def _close(source: object) -> None:
    close: Any = getattr(source, "close", None)
    if close is not None:
        close()


async def _aclose(source: object) -> None:
    aclose: Any = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()
