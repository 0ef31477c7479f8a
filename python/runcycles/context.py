"""What a guarded function can see of its own reservation."""

from __future__ import annotations

import json
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runcycles.exceptions import CyclesError, error_from_report
from runcycles.models import Amount, Balance, Caps, CyclesMetrics, Decision

if TYPE_CHECKING:
    from runcycles import _native


@dataclass(frozen=True)
class Settlement:
    """How a guarded call was settled.

    `outcome` is committed, inherited (the outer call commits it), released,
    recovered_via_event, queued, pending, refused, already_settled or
    nothing_to_settle; `error` says why where it was refused
    or is still pending.
    """

    outcome: str
    response: dict[str, Any] | None = None
    error: CyclesError | None = None

    @classmethod
    def from_native(cls, document: str) -> Settlement:
        """Wraps what the native module answered."""
        fields = json.loads(document)
        error = fields.get("error")
        return cls(
            outcome=fields["outcome"],
            response=fields.get("response"),
            error=error_from_report(error) if error is not None else None,
        )


class CyclesContext:
    """The reservation behind the running function.

    `metrics` and `commit_metadata` are yours to set; they go with the commit.
    `settlement` is None until the call is settled.
    """

    def __init__(self, guard: _native.Guard) -> None:
        """Belongs to the decorator; functions call `get_cycles_context()`."""
        self._guard = guard
        self.metrics: CyclesMetrics | None = None
        self.commit_metadata: dict[str, Any] | None = None
        self.settlement: Settlement | None = None

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._guard.context())
        return document

    @property
    def reservation_id(self) -> str | None:
        """The authority's id of the reservation."""
        reservation_id: str | None = self._document["reservation_id"]
        return reservation_id

    @property
    def decision(self) -> Decision | str:
        """ALLOW or ALLOW_WITH_CAPS."""
        decision: str = self._document["decision"]
        return Decision(decision) if decision in Decision._value2member_map_ else decision

    @cached_property
    def estimate(self) -> Amount:
        """What was reserved for."""
        return Amount.model_validate(self._document["estimate"])

    @cached_property
    def caps(self) -> Caps | None:
        """Limits that came with the allowance."""
        caps = self._document.get("caps")
        return Caps.model_validate(caps) if caps is not None else None

    def has_caps(self) -> bool:
        """Whether limits came with the allowance."""
        return self.caps is not None

    @property
    def expires_at_ms(self) -> int | None:
        """When the reservation expires, in the authority's time; the SDK extends it while you run."""
        document = json.loads(self._guard.context())
        expires_at_ms: int | None = document.get("expires_at_ms")
        return expires_at_ms

    @property
    def affected_scopes(self) -> list[str]:
        """The budgets that the reservation draws from."""
        return list(self._document.get("affected_scopes") or ())

    @property
    def scope_path(self) -> str | None:
        """The full path of the subject."""
        scope_path: str | None = self._document.get("scope_path")
        return scope_path

    @cached_property
    def reserved(self) -> Amount | None:
        """What the authority holds."""
        reserved = self._document.get("reserved")
        return Amount.model_validate(reserved) if reserved is not None else None

    @cached_property
    def balances(self) -> list[Balance]:
        """The budgets after the reservation, where the authority sent them."""
        return [Balance.model_validate(balance) for balance in self._document.get("balances") or ()]

    @property
    def is_unseen(self) -> bool:
        """Whether nothing is held, because the authority could not be asked (`on_unreachable`)."""
        return bool(self._document.get("unseen"))

    @property
    def parent_reservation_id(self) -> str | None:
        """The reservation of the guarded call that this one is inside of."""
        parent: str | None = self._document.get("parent_reservation_id")
        return parent

    @property
    def trace_id(self) -> str | None:
        """The trace that this call belongs to."""
        trace_id: str | None = self._document.get("trace_id")
        return trace_id


_current: ContextVar[CyclesContext | None] = ContextVar("runcycles_context", default=None)


def get_cycles_context() -> CyclesContext | None:
    """The innermost guarded call around the caller, None outside of one."""
    return _current.get()


def current_guard() -> _native.Guard | None:
    """The native guard of the innermost guarded call around the caller."""
    context = _current.get()
    return None if context is None else context._guard


def activate(context: CyclesContext) -> Token[CyclesContext | None]:
    """Makes `context` the current one until `deactivate`."""
    return _current.set(context)


def deactivate(token: Token[CyclesContext | None]) -> None:
    """Brings back the context that was current before."""
    _current.reset(token)
