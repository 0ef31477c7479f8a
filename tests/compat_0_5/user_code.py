"""Code as users of `runcycles` 0.5 write it: runs unchanged with 0.5.3 and with this package.

    user_code.py BASE_URL API_KEY

Prints what it saw as JSON lines; `cargo xtask test compat` compares those of both.
"""

import asyncio
import json
import sys
import tempfile
import uuid

from runcycles import (
    Action,
    Amount,
    AsyncCyclesClient,
    Balance,
    BalanceResponse,
    BudgetExceededError,
    Caps,
    CommitRequest,
    CommitResponse,
    CyclesClient,
    CyclesConfig,
    CyclesError,
    CyclesMetrics,
    CyclesProtocolError,
    CyclesResponse,
    CyclesTransportError,
    Decision,
    DecisionRequest,
    DecisionResponse,
    ErrorCode,
    EventCreateRequest,
    EventCreateResponse,
    ReleaseRequest,
    ReservationCreateRequest,
    ReservationCreateResponse,
    ReservationDetail,
    ReservationExtendRequest,
    ReservationExtendResponse,
    StreamUsage,
    Subject,
    Unit,
    cycles,
    get_cycles_context,
    set_default_config,
)
from runcycles.client import CyclesClient as SameClient
from runcycles.config import CyclesConfig as SameConfig
from runcycles.context import CyclesContext
from runcycles.decorator import cycles as same_cycles
from runcycles.decorator import set_default_client
from runcycles.exceptions import DebtOutstandingError, TenantClosedError
from runcycles.models import CommitOveragePolicy, SignedAmount
from runcycles.response import CyclesResponse as SameResponse
from runcycles.streaming import AsyncStreamReservation, StreamReservation

BASE_URL, API_KEY = sys.argv[1], sys.argv[2]
CONFIG = CyclesConfig(
    base_url=BASE_URL,
    api_key=API_KEY,
    tenant="acme",
    journal_dir=tempfile.mkdtemp(prefix="cycles-compat-"),
)
SUBJECT = Subject(tenant="acme")
ACTION = Action(kind="llm.completion", name="gpt-4o", tags=["prod"])


def say(what: str, *values: object) -> None:
    print(json.dumps([what, *values], default=str), flush=True)


def tokens(amount: int) -> Amount:
    return Amount(unit=Unit.TOKENS, amount=amount)


def key() -> str:
    return str(uuid.uuid4())


def spent(client: CyclesClient) -> int:
    response = client.get_balances(tenant="acme")
    balances = BalanceResponse.model_validate(response.body)
    budget: Balance = balances.balances[0]
    assert budget.spent is not None
    return budget.spent.amount


def names() -> None:
    say(
        "same",
        SameClient is CyclesClient,
        SameConfig is CyclesConfig,
        same_cycles is cycles,
    )
    say(
        "same",
        SameResponse is CyclesResponse,
        issubclass(TenantClosedError, CyclesProtocolError),
    )
    say(
        "errors",
        issubclass(DebtOutstandingError, CyclesError),
        issubclass(CyclesTransportError, CyclesError),
    )


def models() -> None:
    request = ReservationCreateRequest(
        idempotency_key="k-1",
        subject=SUBJECT,
        action=ACTION,
        estimate=tokens(5),
        ttl_ms=60_000,
        dry_run=False,
    )
    say("request", request.model_dump(exclude_none=True, mode="json"))
    amount = tokens(5)
    amount.amount = 6
    say(
        "amount",
        amount.amount,
        amount == tokens(6),
        Amount(unit="TOKENS", amount="7").amount,
    )
    say("signed", SignedAmount(unit=Unit.CREDITS, amount=-3).amount)
    say(
        "subject",
        SUBJECT.has_at_least_one_standard_field(),
        Subject().has_at_least_one_standard_field(),
    )
    caps = Caps(max_tokens=10, tool_denylist=["mail"])
    say(
        "caps",
        caps.is_tool_allowed("mail"),
        caps.is_tool_allowed("search"),
        caps.max_tokens,
    )
    metrics = CyclesMetrics(tokens_input=1)
    metrics.put_custom("turn", 3)
    say(
        "metrics",
        metrics.is_empty(),
        CyclesMetrics().is_empty(),
        metrics.model_dump(exclude_none=True),
    )
    say(
        "codes",
        ErrorCode.from_string("NEW"),
        ErrorCode.from_string(None),
        ErrorCode.LIMIT_EXCEEDED.is_retryable,
    )
    say("policy", CommitOveragePolicy("REJECT").value, Decision.ALLOW.value)
    usage = StreamUsage()
    usage.add_input_tokens(2)
    usage.set_actual_cost(9)
    say(
        "usage",
        usage.tokens_input,
        usage.tokens_output,
        usage.actual_cost,
        usage.custom,
    )


def responses() -> None:
    ok = CyclesResponse.success(200, {"a": 1}, headers={"x-request-id": "r"})
    say(
        "success",
        ok.is_success,
        ok.is_transport_error,
        ok.request_id,
        ok.get_body_attribute("a"),
    )
    failed = CyclesResponse.http_error(
        429, "slow", {"error": "LIMIT_EXCEEDED", "message": "m", "request_id": "r"}
    )
    error = failed.get_error_response()
    say(
        "http", failed.is_client_error, failed.error_message, error and error.error_code
    )
    lost = CyclesResponse.transport_error(OSError("gone"))
    say(
        "lost",
        lost.status,
        lost.is_transport_error,
        lost.error_message,
        str(lost.transport_exception),
    )


def errors() -> None:
    error = CyclesProtocolError(
        "m", status=409, error_code="BUDGET_EXCEEDED", request_id="r"
    )
    say(
        "error",
        str(error),
        error.status,
        error.error_code,
        error.is_budget_exceeded(),
        error.is_retryable(),
    )
    say(
        "defaults",
        CyclesProtocolError("m").status,
        CyclesProtocolError("m", status=503).is_retryable(),
    )
    cause = OSError("gone")
    say("transport", CyclesTransportError("m", cause=cause).cause is cause)


def low_level(client: CyclesClient) -> None:
    created = client.create_reservation(
        ReservationCreateRequest(
            idempotency_key=key(), subject=SUBJECT, action=ACTION, estimate=tokens(50)
        )
    )
    reservation = ReservationCreateResponse.model_validate(created.body)
    assert reservation.reservation_id is not None
    say(
        "created",
        created.status,
        reservation.is_allowed(),
        reservation.affected_scopes,
        created.cycles_tenant,
    )
    extended = client.extend_reservation(
        reservation.reservation_id,
        ReservationExtendRequest(idempotency_key=key(), extend_by_ms=1000),
    )
    say("extended", ReservationExtendResponse.model_validate(extended.body).status)
    committed = client.commit_reservation(
        reservation.reservation_id,
        CommitRequest(
            idempotency_key=key(),
            actual=tokens(20),
            metrics=CyclesMetrics(tokens_input=20),
        ),
    )
    answer = CommitResponse.model_validate(committed.body)
    say(
        "committed",
        answer.status,
        answer.charged.amount,
        answer.released and answer.released.amount,
    )
    again = client.commit_reservation(
        reservation.reservation_id,
        CommitRequest(idempotency_key=key(), actual=tokens(20)),
    )
    say("again", again.status, again.get_body_attribute("error"), again.is_success)
    detail = ReservationDetail.model_validate(
        client.get_reservation(reservation.reservation_id).body
    )
    say(
        "detail",
        detail.status,
        detail.is_committed(),
        detail.committed and detail.committed.amount,
    )
    decided = client.decide(
        DecisionRequest(
            idempotency_key=key(), subject=SUBJECT, action=ACTION, estimate=tokens(10)
        )
    )
    say("decided", {**(decided.body or {})}.get("decision"))
    event = client.create_event(
        EventCreateRequest(
            idempotency_key=key(), subject=SUBJECT, action=ACTION, actual=tokens(5)
        )
    )
    say("event", event.status, EventCreateResponse.model_validate(event.body).status)
    held = client.create_reservation(
        {
            "idempotency_key": key(),
            "subject": {"tenant": "acme"},
            "action": {"kind": "k", "name": "n"},
            "estimate": {"unit": "TOKENS", "amount": 5},
        }
    )
    released = client.release_reservation(
        held.get_body_attribute("reservation_id"),
        ReleaseRequest(idempotency_key=key(), reason="done"),
    )
    say("released", released.status, (released.body or {}).get("status"))
    say("listed", client.list_reservations(tenant="acme", limit="1").status)
    try:
        client.get_balances(limit="1")
    except ValueError:
        say("get_balances", "needs a filter")
    say("spent", spent(client))


def guarded(client: CyclesClient) -> None:
    @cycles(
        estimate=lambda prompt, limit: limit,
        actual=lambda result: len(result),
        action_kind=lambda prompt, limit: "llm.completion",
        action_name="gpt-4o",
        action_tags=["prod"],
        unit=Unit.TOKENS,
        ttl_ms=60_000,
        overage_policy="ALLOW_IF_AVAILABLE",
        workflow=lambda prompt, limit: None,
        agent="bot",
        dimensions={"team": "blue"},
        client=client,
    )
    def ask(prompt: str, limit: int) -> str:
        context = get_cycles_context()
        assert isinstance(context, CyclesContext)
        say(
            "context",
            context.estimate,
            context.decision,
            context.has_caps(),
            context.scope_path,
        )
        say(
            "reserved",
            context.reserved and context.reserved.amount,
            context.affected_scopes,
        )
        context.metrics = CyclesMetrics(
            tokens_input=4, tokens_output=6, model_version="m"
        )
        context.commit_metadata = {"job": "j-1"}
        return prompt * 2

    say("result", ask("four", 100), ask.__name__)
    say("spent", spent(client))

    @cycles(1_000_000, unit="TOKENS", client=client)
    def denied() -> None:
        say("never")

    try:
        denied()
    except BudgetExceededError as error:
        say(
            "denied",
            error.status,
            error.error_code,
            error.is_budget_exceeded(),
            isinstance(error, CyclesError),
        )

    @cycles(10, unit="TOKENS", client=client)
    def fails() -> None:
        raise KeyError("mine")

    try:
        fails()
    except KeyError as error:
        say("mine", str(error))
    result = cycles(10, unit="TOKENS", dry_run=True, client=client)(denied)()
    say(
        "dry",
        type(result).__name__,
        result.is_allowed(),
        result.is_denied(),
        result.has_caps(),
    )
    set_default_client(client)
    say("default", cycles(1, unit="TOKENS")(lambda: "ran")())
    say("spent", spent(client))


def streams(client: CyclesClient) -> None:
    stream = client.stream_reservation(
        subject=SUBJECT,
        action=ACTION,
        estimate=tokens(100),
        ttl_ms=120_000,
        cost_fn=lambda usage: usage.tokens_input + usage.tokens_output,
        metadata={"job": "j"},
        idempotency_key=key(),
        raise_on_commit_failure=True,
    )
    assert isinstance(stream, StreamReservation)
    with stream as reservation:
        say(
            "stream",
            reservation.decision,
            reservation.caps,
            bool(reservation.reservation_id),
        )
        reservation.usage.tokens_input = 10
        reservation.usage.add_output_tokens(5)
    say("settled", stream.settlement_error, stream.release_error, spent(client))


async def asynchronous() -> None:
    async with AsyncCyclesClient(CONFIG) as client:

        @cycles(10, actual=3, unit="TOKENS", client=client)
        async def work(number: int) -> int:
            await asyncio.sleep(0)
            assert get_cycles_context() is not None
            return number

        say("gathered", await asyncio.gather(*(work(number) for number in range(5))))
        stream = client.stream_reservation(action=ACTION, estimate=tokens(50))
        assert isinstance(stream, AsyncStreamReservation)
        async with stream:
            stream.usage.set_actual_cost(7)
        answer = await client.decide(
            {"idempotency_key": key(), "subject": {"tenant": "acme"}}
        )
        say("refused", answer.status, answer.get_body_attribute("error"))
        decision = await client.decide(
            DecisionRequest(
                idempotency_key=key(),
                subject=SUBJECT,
                action=ACTION,
                estimate=tokens(1),
            )
        )
        say(
            "decision",
            DecisionResponse.model_validate(
                {"decision": (decision.body or {})["decision"]}
            ).decision,
        )


def unreachable() -> None:
    nowhere = CyclesConfig(
        base_url="http://127.0.0.1:9",
        api_key="k",
        journal_enabled=False,
        retry_flush_timeout=0,
    )
    with CyclesClient(nowhere) as client:
        response = client.decide({"idempotency_key": "k"})
        say("unreachable", response.status, response.is_transport_error, response.body)
        try:
            cycles(1, unit="TOKENS", tenant="acme", client=client)(
                lambda: say("never")
            )()
        except CyclesProtocolError as error:
            say("unreachable", error.status)


def main() -> None:
    names()
    models()
    responses()
    errors()
    with CyclesClient(CONFIG) as client:
        low_level(client)
        guarded(client)
        streams(client)
        asyncio.run(asynchronous())
        say("spent", spent(client))
    unreachable()
    set_default_config(CONFIG)


main()
