"""What a guarded function can see of its own reservation."""

from __future__ import annotations

import json
import logging
import warnings
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from runcycles.enums import Decision
from runcycles.exceptions import CyclesError, error_from_report

if TYPE_CHECKING:
    from runcycles import _native
    from runcycles.models import Amount, Balance, Caps, CyclesMetrics

_logger = logging.getLogger("runcycles")
_UNSETTLED = frozenset(("pending", "refused"))


class Settlement:
    """How a guarded call was settled.

    `outcome` is committed, inherited (the outer call commits it), released,
    recovered_via_event, queued, pending, refused, already_settled or
    nothing_to_settle.
    """

    def __init__(
        self,
        outcome: str,
        response: dict[str, Any] | None = None,
        error: CyclesError | None = None,
        *,
        native: _native.Settlement | None = None,
    ) -> None:
        """Belongs to the SDK; tests may build their own."""
        self.outcome = outcome
        self._response = response
        self._error = error
        self._native = native

    @classmethod
    def from_native(cls, native: _native.Settlement) -> Settlement:
        """Wraps what the native module answered."""
        return cls(native.outcome, native=native)

    def _read(self) -> None:
        if self._native is not None:
            document = json.loads(self._native.document())
            self._response = document.get("response")
            error = document.get("error")
            self._error = error_from_report(error) if error is not None else None
            self._native = None

    @property
    def response(self) -> dict[str, Any] | None:
        """The authority's answer."""
        self._read()
        return self._response

    @property
    def error(self) -> CyclesError | None:
        """Why it is pending or was refused; where it is booked, that its lease was lost before."""
        self._read()
        return self._error

    def __repr__(self) -> str:
        """The outcome, and the error where there is one."""
        error = f", error={self.error!r}" if self.error is not None else ""
        return f"Settlement({self.outcome!r}{error})"


class CyclesContext:
    """The reservation behind the running function.

    `metrics` and `commit_metadata` are yours to set; they go with the commit.
    `settlement` is None until the call is settled.
    """

    metrics: CyclesMetrics | None
    commit_metadata: dict[str, Any] | None
    settlement: Settlement | None

    def __init__(
        self,
        reservation_id: str,
        estimate: int,
        decision: Decision,
        caps: Caps | None = None,
        expires_at_ms: int | None = None,
        affected_scopes: list[str] | None = None,
        scope_path: str | None = None,
        reserved: Amount | None = None,
        balances: list[Balance] | None = None,
        metrics: CyclesMetrics | None = None,
        commit_metadata: dict[str, Any] | None = None,
    ) -> None:
        """For tests of your own; guarded functions call `get_cycles_context()`."""
        self._guard: _native.Guard | _native.Stream | None = None
        self._fields: dict[str, Any] | None = {
            "reservation_id": reservation_id,
            "decision": decision,
            "caps": caps,
            "expires_at_ms": expires_at_ms,
            "affected_scopes": affected_scopes,
            "scope_path": scope_path,
            "reserved": reserved,
            "balances": balances,
            "estimate": estimate,
        }
        self.metrics = metrics
        self.commit_metadata = commit_metadata
        self.settlement = None

    @classmethod
    def of(cls, guard: _native.Guard | _native.Stream) -> CyclesContext:
        """The context of a live reservation; read when somebody asks."""
        context = cls.__new__(cls)
        context.enter(guard)
        return context

    def enter(self, guard: _native.Guard | _native.Stream) -> None:
        """Begins to stand for `guard`."""
        self._guard = guard
        self._fields = None
        self.metrics = None
        self.commit_metadata = None
        self.settlement = None

    def _as_parent(self) -> _native.Guard | _native.Stream | None:
        """What calls inside of this one are told of it."""
        return self._guard

    def _get(self, name: str) -> Any:
        if self._fields is None:
            if self._guard is None:
                raise RuntimeError("nothing is reserved yet: enter the `with` block first")
            fields: dict[str, Any] = json.loads(self._guard.context())
            fields["estimate"] = fields["estimate"]["amount"]
            self._fields = fields
        return self._fields.get(name)

    def _model(self, name: str) -> Any:
        """A field as a model, made when somebody asks."""
        value = self._get(name)
        if isinstance(value, dict | list) and self._fields is not None:
            value = self._fields[name] = _MODELS[name](value)
        return value

    def _live(self, name: str) -> Any:
        if self._guard is None:
            return self._get(name)
        return json.loads(self._guard.context()).get(name)

    @property
    def reservation_id(self) -> str:
        """The authority's id of the reservation."""
        reservation_id: str = self._get("reservation_id")
        return reservation_id

    @property
    def decision(self) -> Decision:
        """ALLOW or ALLOW_WITH_CAPS; a newer authority's word as it is."""
        decision: Decision = self._get("decision")
        return Decision(decision) if decision in Decision._value2member_map_ else decision

    @property
    def estimate(self) -> int:
        """What was reserved for, in the unit of `reserved`."""
        estimate: int = self._get("estimate")
        return estimate

    @property
    def caps(self) -> Caps | None:
        """Limits that came with the allowance."""
        caps: Caps | None = self._model("caps")
        return caps

    def has_caps(self) -> bool:
        """Whether limits came with the allowance."""
        return self.caps is not None

    @property
    def expires_at_ms(self) -> int | None:
        """When the reservation expires, in the authority's time; the SDK extends it while you run."""
        expires_at_ms: int | None = self._live("expires_at_ms")
        return expires_at_ms

    def update_expires_at_ms(self, new_expires_at_ms: int) -> None:
        """Does nothing for a live reservation, whose expiry the SDK knows."""
        warnings.warn(
            "update_expires_at_ms is not needed any more: expires_at_ms is always the latest",
            DeprecationWarning,
            stacklevel=2,
        )
        if self._guard is None and self._fields is not None:
            self._fields["expires_at_ms"] = new_expires_at_ms

    @property
    def affected_scopes(self) -> list[str] | None:
        """The budgets that the reservation draws from."""
        affected_scopes: list[str] | None = self._get("affected_scopes")
        return affected_scopes

    @property
    def scope_path(self) -> str | None:
        """The full path of the subject."""
        scope_path: str | None = self._get("scope_path")
        return scope_path

    @property
    def reserved(self) -> Amount | None:
        """What the authority holds."""
        reserved: Amount | None = self._model("reserved")
        return reserved

    @property
    def balances(self) -> list[Balance] | None:
        """The budgets after the reservation, where the authority sent them."""
        balances: list[Balance] | None = self._model("balances")
        return balances

    @property
    def is_lease_lost(self) -> bool:
        """Whether the reservation ended before the work did (`heartbeat_policy`)."""
        return bool(self._live("lease_lost"))

    @property
    def is_unseen(self) -> bool:
        """Whether nothing is held, because the authority could not be asked (`on_unreachable`)."""
        return bool(self._get("unseen"))

    @property
    def parent_reservation_id(self) -> str | None:
        """The reservation of the guarded call that this one is inside of."""
        parent: str | None = self._get("parent_reservation_id")
        return parent

    @property
    def trace_id(self) -> str | None:
        """The trace that this call belongs to."""
        trace_id: str | None = self._get("trace_id")
        return trace_id

    def settled(self, native: _native.Settlement) -> Settlement:
        """Notes how the call was settled, and logs where it was not."""
        settlement = Settlement.from_native(native)
        if self.settlement is not None and settlement.outcome == "already_settled":
            return settlement
        self.settlement = settlement
        if native.has_error or native.outcome in _UNSETTLED:
            _logger.warning(
                "the call is not settled as usual outcome=%s reservation_id=%s error=%s",
                settlement.outcome,
                self.reservation_id,
                settlement.error,
            )
        return settlement

    def __repr__(self) -> str:
        """Which reservation, of how much, and how it stands."""
        name = type(self).__name__
        if self._guard is None and self._fields is None:
            return f"<{name} not entered>"
        stands = f" settled={self.settlement.outcome}" if self.settlement is not None else ""
        return f"<{name} {self.reservation_id} estimate={self.estimate} decision={self.decision}{stands}>"


def _caps(value: Any) -> Any:
    from runcycles.models import Caps

    return Caps.model_validate(value)


def _amount(value: Any) -> Any:
    from runcycles.models import Amount

    return Amount.model_validate(value)


def _balances(values: Any) -> Any:
    from runcycles.models import Balance

    return [value if isinstance(value, Balance) else Balance.model_validate(value) for value in values]


_MODELS = {"caps": _caps, "reserved": _amount, "balances": _balances}

_current: ContextVar[CyclesContext | None] = ContextVar("runcycles_context", default=None)


def get_cycles_context() -> CyclesContext | None:
    """The innermost guarded call around the caller, None outside of one."""
    return _current.get()


def current_guard() -> _native.Guard | _native.Stream | None:
    """The native guard of the innermost guarded call around the caller."""
    context = _current.get()
    return None if context is None else context._as_parent()


def activate(context: CyclesContext) -> Token[CyclesContext | None]:
    """Makes `context` the current one until `deactivate`."""
    return _current.set(context)


def deactivate(token: Token[CyclesContext | None]) -> None:
    """Brings back the context that was current before."""
    try:
        _current.reset(token)
    except ValueError:
        # Ended in another task than it began in, as web frameworks do: nothing was set here.
        return


def reason(error: BaseException) -> str:
    """Why a hold is given back: the class only, messages may hold what its owner must not see."""
    return f"guarded function raised {type(error).__name__}"[:256]
