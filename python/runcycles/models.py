"""The wire's requests, responses and values as pydantic models.

Requests refuse unknown fields, so that a typo is found here; responses ignore
them, so that a newer server does not break an older client.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from runcycles.enums import (
    CommitOveragePolicy as CommitOveragePolicy,
)
from runcycles.enums import (
    CommitStatus as CommitStatus,
)
from runcycles.enums import (
    Decision as Decision,
)
from runcycles.enums import (
    ErrorCode as ErrorCode,
)
from runcycles.enums import (
    EventStatus as EventStatus,
)
from runcycles.enums import (
    ExtendStatus as ExtendStatus,
)
from runcycles.enums import (
    ReleaseStatus as ReleaseStatus,
)
from runcycles.enums import (
    ReservationStatus as ReservationStatus,
)
from runcycles.enums import (
    Unit as Unit,
)
from runcycles.money import INT64_MAX, MICROCENTS_PER_DOLLAR
from runcycles.money import usd as usd


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def to_wire(self) -> dict[str, Any]:
        """The JSON document, without the fields that were left unset."""
        return self.model_dump(mode="json", exclude_none=True)


class _Response(BaseModel):
    model_config = ConfigDict(extra="ignore")


# A newer server may answer values that this SDK does not know: they stay strings.
OpenDecision = Annotated[Decision | str, Field(union_mode="left_to_right")]
OpenUnit = Annotated[Unit | str, Field(union_mode="left_to_right")]
OpenReservationStatus = Annotated[ReservationStatus | str, Field(union_mode="left_to_right")]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be an integer, not a bool")
    return value


# Whole floats and digits in a string become ints, as users of 0.5 know it.
Int64 = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=INT64_MAX)]
SignedInt64 = Annotated[int, BeforeValidator(_no_bool), Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=256)]
SubjectField = Annotated[str, Field(max_length=128)]


class Amount(_Request):
    """A number of units, zero or more."""

    unit: OpenUnit
    amount: Int64

    def __str__(self) -> str:
        """The number and its unit; dollars too, where it is money."""
        if self.unit != Unit.USD_MICROCENTS:
            return f"{self.amount} {self.unit}"
        dollars = Decimal(self.amount) / MICROCENTS_PER_DOLLAR
        return f"{self.amount} USD_MICROCENTS (${dollars:f})"

    @classmethod
    def usd_microcents(cls, amount: int) -> Amount:
        """`amount` hundred-millionths of a dollar."""
        return cls(unit=Unit.USD_MICROCENTS, amount=amount)

    @classmethod
    def tokens(cls, amount: int) -> Amount:
        """`amount` tokens."""
        return cls(unit=Unit.TOKENS, amount=amount)

    @classmethod
    def credits(cls, amount: int) -> Amount:
        """`amount` credits."""
        return cls(unit=Unit.CREDITS, amount=amount)

    @classmethod
    def risk_points(cls, amount: int) -> Amount:
        """`amount` risk points."""
        return cls(unit=Unit.RISK_POINTS, amount=amount)


class SignedAmount(_Response):
    """A number of units that may be below zero, as in an overdrawn budget."""

    unit: OpenUnit
    amount: SignedInt64


class Subject(_Request):
    """Who spends: at least one of the six standard fields."""

    tenant: SubjectField | None = None
    workspace: SubjectField | None = None
    app: SubjectField | None = None
    workflow: SubjectField | None = None
    agent: SubjectField | None = None
    toolset: SubjectField | None = None
    dimensions: dict[str, Annotated[str, Field(max_length=256)]] | None = Field(default=None, max_length=16)

    def has_at_least_one_standard_field(self) -> bool:
        """Whether any of the six fields is set."""
        return any((self.tenant, self.workspace, self.app, self.workflow, self.agent, self.toolset))


class Action(_Request):
    """What is being done."""

    kind: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=256)]
    tags: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=10)


def _known_fields(model: type[BaseModel]) -> Callable[[Any], Any]:
    def strip(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: value[name] for name in value if name in model.model_fields}

    return strip


# The same values inside of responses, where unknown fields are ignored.
AnsweredAmount = Annotated[Amount, BeforeValidator(_known_fields(Amount))]
AnsweredSubject = Annotated[Subject, BeforeValidator(_known_fields(Subject))]
AnsweredAction = Annotated[Action, BeforeValidator(_known_fields(Action))]


class Caps(_Response):
    """Limits that come with an allowance."""

    max_tokens: int | None = None
    max_steps_remaining: int | None = None
    tool_allowlist: list[str] | None = None
    tool_denylist: list[str] | None = None
    cooldown_ms: int | None = None

    def is_tool_allowed(self, tool: str) -> bool:
        """Whether the caps let `tool` run; empty lists restrict nothing."""
        if self.tool_allowlist:
            return tool in self.tool_allowlist
        return tool not in (self.tool_denylist or ())


class CyclesMetrics(_Request):
    """Measurements that go with a commit or an event."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    tokens_input: Int64 | None = None
    tokens_output: Int64 | None = None
    latency_ms: Int64 | None = None
    model_version: Annotated[str, Field(max_length=128)] | None = None
    custom: dict[str, Any] | None = None

    def put_custom(self, key: str, value: Any) -> None:
        """Adds a measurement of your own."""
        self.custom = {**(self.custom or {}), key: value}

    def is_empty(self) -> bool:
        """Whether nothing was measured."""
        return not self.to_wire()


class CyclesEvidenceRef(_Response):
    """Where the signed record of a decision is."""

    evidence_id: str
    cycles_evidence_url: str


class ReservationEvidence(_Response):
    """The signed records of one reservation."""

    reserve: CyclesEvidenceRef | None = None
    commit: CyclesEvidenceRef | None = None
    release: CyclesEvidenceRef | None = None


class Balance(_Response):
    """The state of one budget."""

    scope: str
    scope_path: str
    remaining: SignedAmount
    reserved: AnsweredAmount | None = None
    spent: AnsweredAmount | None = None
    debt: AnsweredAmount | None = None
    allocated: AnsweredAmount | None = None
    overdraft_limit: AnsweredAmount | None = None
    is_over_limit: bool | None = None


class ReservationCreateRequest(_Request):
    """Asks for a hold on every budget of the subject."""

    idempotency_key: IdempotencyKey | None = None
    subject: Subject
    action: Action
    estimate: Amount
    ttl_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] | None = None
    grace_period_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None
    overage_policy: CommitOveragePolicy | None = None
    dry_run: bool | None = None
    metadata: dict[str, Any] | None = None


class CommitRequest(_Request):
    """Settles a reservation at what it really cost."""

    idempotency_key: IdempotencyKey | None = None
    actual: Amount
    metrics: CyclesMetrics | None = None
    metadata: dict[str, Any] | None = None


class ReleaseRequest(_Request):
    """Gives a reservation back."""

    idempotency_key: IdempotencyKey | None = None
    reason: Annotated[str, Field(max_length=256)] | None = None


class ReservationExtendRequest(_Request):
    """Moves a reservation's expiry outwards."""

    idempotency_key: IdempotencyKey | None = None
    extend_by_ms: Annotated[int, Field(ge=1, le=86_400_000)]
    metadata: dict[str, Any] | None = None


class DecisionRequest(_Request):
    """Asks whether a call would be allowed, without holding anything."""

    idempotency_key: IdempotencyKey | None = None
    subject: Subject
    action: Action
    estimate: Amount
    metadata: dict[str, Any] | None = None


class EventCreateRequest(_Request):
    """Records spending that had no reservation."""

    idempotency_key: IdempotencyKey | None = None
    subject: Subject
    action: Action
    actual: Amount
    overage_policy: CommitOveragePolicy | None = None
    metrics: CyclesMetrics | None = None
    client_time_ms: Int64 | None = None
    metadata: dict[str, Any] | None = None


class _Decided(_Response):
    decision: OpenDecision
    caps: Caps | None = None
    reason_code: str | None = None
    retry_after_ms: int | None = None

    def is_allowed(self) -> bool:
        """Whether the call may run, with or without caps."""
        return self.decision in (Decision.ALLOW, Decision.ALLOW_WITH_CAPS)

    def is_denied(self) -> bool:
        """Whether the call must not run."""
        return self.decision == Decision.DENY

    def has_caps(self) -> bool:
        """Whether limits come with the answer."""
        return self.caps is not None


class DecisionResponse(_Decided):
    """The verdict of `decide`."""

    affected_scopes: list[str] | None = None

    cycles_evidence: CyclesEvidenceRef | None = None


class ReservationCreateResponse(_Decided):
    """A reservation, or for a dry run what it would have been."""

    affected_scopes: list[str] = Field(default_factory=list)
    reservation_id: str | None = None
    reserved: AnsweredAmount | None = None
    expires_at_ms: int | None = None
    remaining_ttl_ms: int | None = None
    scope_path: str | None = None
    balances: list[Balance] | None = None
    cycles_evidence: CyclesEvidenceRef | None = None


class DryRunResult(_Decided):
    """What a guarded function returns under `dry_run=True`, instead of running."""

    affected_scopes: list[str] | None = None

    reserved: AnsweredAmount | None = None
    scope_path: str | None = None
    balances: list[Balance] | None = None


class CommitResponse(_Response):
    """A settled reservation."""

    status: Annotated[CommitStatus | str, Field(union_mode="left_to_right")]
    charged: AnsweredAmount
    released: AnsweredAmount | None = None
    balances: list[Balance] | None = None
    cycles_evidence: CyclesEvidenceRef | None = None


class ReleaseResponse(_Response):
    """A reservation that was given back."""

    status: Annotated[ReleaseStatus | str, Field(union_mode="left_to_right")]
    released: AnsweredAmount
    balances: list[Balance] | None = None
    cycles_evidence: CyclesEvidenceRef | None = None


class ReservationExtendResponse(_Response):
    """A reservation's new expiry."""

    status: Annotated[ExtendStatus | str, Field(union_mode="left_to_right")]
    expires_at_ms: int
    remaining_ttl_ms: int | None = None
    balances: list[Balance] | None = None


class EventCreateResponse(_Response):
    """A recorded event."""

    status: Annotated[EventStatus | str, Field(union_mode="left_to_right")]
    event_id: str
    charged: AnsweredAmount | None = None
    balances: list[Balance] | None = None


class BalanceResponse(_Response):
    """One page of budgets."""

    balances: list[Balance]
    next_cursor: str | None = None
    has_more: bool | None = None


class ReservationSummary(_Response):
    """A reservation in a listing."""

    reservation_id: str
    status: OpenReservationStatus
    idempotency_key: str | None = None
    subject: AnsweredSubject
    action: AnsweredAction
    reserved: AnsweredAmount
    committed: AnsweredAmount | None = None
    created_at_ms: int
    expires_at_ms: int
    finalized_at_ms: int | None = None
    scope_path: str
    affected_scopes: list[str]
    metadata: dict[str, Any] | None = None
    committed_metadata: dict[str, Any] | None = None
    evidence: ReservationEvidence | None = None

    def is_active(self) -> bool:
        """Whether the hold is live."""
        return self.status == ReservationStatus.ACTIVE

    def is_committed(self) -> bool:
        """Whether it was settled by a commit."""
        return self.status == ReservationStatus.COMMITTED

    def is_released(self) -> bool:
        """Whether it was given back."""
        return self.status == ReservationStatus.RELEASED

    def is_expired(self) -> bool:
        """Whether it ran out."""
        return self.status == ReservationStatus.EXPIRED


class ReservationDetail(ReservationSummary):
    """One reservation with everything that is recorded about it."""


class ReservationListResponse(_Response):
    """One page of reservations."""

    reservations: list[ReservationSummary]
    next_cursor: str | None = None
    has_more: bool | None = None


class ErrorResponse(_Response):
    """The body of every error answer."""

    error: str
    message: str
    request_id: str | None = None
    trace_id: str | None = None
    details: dict[str, Any] | None = None
    cycles_evidence: CyclesEvidenceRef | None = None

    @property
    def error_code(self) -> ErrorCode:
        """The code as a constant, `UNKNOWN` for one that is newer than this SDK."""
        return ErrorCode.from_string(self.error) or ErrorCode.UNKNOWN
