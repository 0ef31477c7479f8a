"""`@cycles` and what the guarded function sees."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import Any

import pytest
from conftest import CALL, balance

from runcycles import (
    Amount,
    BudgetExceededError,
    CyclesClient,
    CyclesConfig,
    CyclesConfigError,
    CyclesError,
    CyclesMetrics,
    CyclesProtocolError,
    CyclesValidationError,
    Decision,
    cycles,
    get_cycles_context,
    set_default_client,
)
from runcycles.testing import TestServer


def test_success_commits_the_actual_and_returns_the_result(server: TestServer, transport: str) -> None:
    @cycles(100, actual=len, **CALL, client=server.client(transport=transport))
    def answer(word: str) -> str:
        assert balance(server) == (900, 100, 0)
        return word * 2

    assert answer("four") == "fourfour"
    assert balance(server) == (992, 0, 8)


async def test_async_success(server: TestServer, transport: str) -> None:
    @cycles(100, actual=60, **CALL, client=server.async_client(transport=transport))
    async def answer() -> str:
        return "result"

    assert inspect.iscoroutinefunction(answer)
    assert await answer() == "result"
    assert balance(server) == (940, 0, 60)


def test_without_an_actual_the_estimate_is_committed(server: TestServer) -> None:
    cycles(100, **CALL, client=server.client())(lambda: None)()
    assert balance(server) == (900, 0, 100)


def test_an_error_releases_and_passes_through_untouched(server: TestServer, transport: str) -> None:
    boom = ValueError("boom")

    @cycles(100, **CALL, client=server.client(transport=transport))
    def fail() -> None:
        raise boom

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    assert caught.value is boom
    assert balance(server) == (1000, 0, 0)


async def test_an_async_error_releases(server: TestServer, transport: str) -> None:
    @cycles(100, **CALL, client=server.async_client(transport=transport))
    async def fail() -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await fail()
    assert balance(server) == (1000, 0, 0)


def test_a_denial_is_typed_and_the_function_never_runs(server: TestServer, transport: str) -> None:
    ran = []

    @cycles(1001, **CALL, client=server.client(transport=transport))
    def spend() -> None:
        ran.append(True)

    with pytest.raises(BudgetExceededError) as caught:
        spend()
    error = caught.value
    assert isinstance(error, CyclesProtocolError)
    assert isinstance(error, CyclesError)
    assert (error.code, error.error_code, error.status) == ("BUDGET_EXCEEDED", "BUDGET_EXCEEDED", 409)
    assert error.is_budget_exceeded()
    assert not error.is_retryable()
    assert error.trace_id
    assert "tenant:acme" in str(error)
    assert ran == []
    assert balance(server) == (1000, 0, 0)


async def test_an_async_denial(server: TestServer, transport: str) -> None:
    @cycles(1001, **CALL, client=server.async_client(transport=transport))
    async def spend() -> None:
        raise AssertionError("ran")

    with pytest.raises(BudgetExceededError):
        await spend()


def test_one_default_client_serves_sync_and_async(server: TestServer) -> None:
    import asyncio

    set_default_client(server.client())

    @cycles(10, **CALL)
    def one() -> int:
        return 1

    @cycles(10, **CALL)
    async def two() -> int:
        return 2

    assert one() + asyncio.run(two()) == 3
    assert balance(server) == (980, 0, 20)


def test_without_any_client_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYCLES_BASE_URL", raising=False)
    with pytest.raises(CyclesConfigError, match=r"set_default_client.*CYCLES_BASE_URL"):
        cycles(10, **CALL)(lambda: None)()


def test_nested_contexts_are_restored(server: TestServer) -> None:
    client = server.client()

    @cycles(10, **CALL, client=client)
    def inner() -> str:
        context = get_cycles_context()
        assert context is not None
        return context.reservation_id or ""

    @cycles(20, **CALL, client=client)
    def outer() -> tuple[str, str, str]:
        before = get_cycles_context()
        assert before is not None
        nested = inner()
        after = get_cycles_context()
        assert after is before
        with pytest.raises(BudgetExceededError):
            cycles(5000, **CALL, client=client)(inner)()
        assert get_cycles_context() is before
        return before.reservation_id or "", nested, after.reservation_id or ""

    outside, nested, again = outer()
    assert outside == again != nested
    assert get_cycles_context() is None
    assert balance(server) == (970, 0, 30)


async def test_concurrent_calls_see_their_own_context(server: TestServer) -> None:
    import asyncio

    @cycles(lambda amount: amount, **CALL, client=server.async_client())
    async def work(amount: int) -> bool:
        await asyncio.sleep(0)
        context = get_cycles_context()
        return context is not None and context.estimate == amount

    assert all(await asyncio.gather(*(work(amount) for amount in range(1, 20))))


def test_the_context_tells_about_the_reservation(server: TestServer) -> None:
    seen: dict[str, Any] = {}

    @cycles(100, **CALL, agent="bot", ttl_ms=60_000, client=server.client())
    def work() -> None:
        context = get_cycles_context()
        assert context is not None
        seen.update(context=context, expires_at_ms=context.expires_at_ms)

    work()
    context = seen["context"]
    assert context.decision is Decision.ALLOW
    assert context.estimate == 100
    assert context.reserved == Amount.tokens(100)
    assert context.affected_scopes == ["tenant:acme", "tenant:acme/agent:bot"]
    assert context.scope_path == "tenant:acme/agent:bot"
    assert seen["expires_at_ms"] == 1_800_000_060_000
    assert not context.has_caps()
    assert context.caps is None
    assert context.settlement.outcome == "committed"
    assert context.settlement.response["charged"]["amount"] == 100


def test_metrics_and_metadata_go_with_the_commit(server: TestServer) -> None:
    client = server.client()
    ids = []

    @cycles(100, **CALL, client=client)
    def work() -> None:
        context = get_cycles_context()
        assert context is not None
        context.metrics = CyclesMetrics(tokens_input=7, model_version="m-1")
        context.metrics.put_custom("turn", 3)
        context.commit_metadata = {"job": "j-1"}
        ids.append(context.reservation_id)

    work()
    detail = client.get_reservation(ids[0]).body
    assert detail is not None
    assert detail["committed_metadata"]["job"] == "j-1"


@pytest.mark.parametrize("actual", [lambda _: 1 / 0, lambda _: "60", lambda _: -1, lambda _: True])
def test_an_actual_that_makes_no_sense_commits_the_estimate(server: TestServer, actual: Any) -> None:
    client = server.client()
    ids = []

    @cycles(100, actual=actual, **CALL, client=client)
    def work() -> str:
        context = get_cycles_context()
        assert context is not None
        ids.append(context.reservation_id)
        return "result"

    assert work() == "result"
    assert balance(server) == (900, 0, 100)
    detail = client.get_reservation(ids[0]).body
    assert detail is not None
    assert detail["committed_metadata"] == {"actual_source": "estimate"}


def test_metrics_that_are_not_json_do_not_lose_the_commit(server: TestServer) -> None:
    @cycles(100, actual=60, **CALL, client=server.client())
    def work() -> None:
        context = get_cycles_context()
        assert context is not None
        context.commit_metadata = {"job": object()}

    work()
    assert balance(server) == (940, 0, 60)


def test_what_was_spent_is_rounded_up(server: TestServer) -> None:
    cycles(10, actual=lambda _: 5.1, **CALL, client=server.client())(lambda: None)()
    assert balance(server) == (994, 0, 6)


@pytest.mark.parametrize("estimate", ["100", None, True, 10.0, float("nan"), float("inf"), -1, 2**63])
def test_a_bad_estimate_is_refused_before_anything_is_sent(server: TestServer, estimate: Any) -> None:
    @cycles(lambda: estimate, **CALL, client=server.client())
    def work() -> None:
        raise AssertionError("ran")

    with pytest.raises(CyclesValidationError):
        work()
    assert isinstance(CyclesValidationError("m"), ValueError)
    assert server.count("create_reservation") == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"tenant": "a b"}, "tenant"),
        ({"tenant": "\ud800"}, "not JSON"),
        ({"tenant": 7}, "string"),
        ({"unit": "BEANS"}, "BEANS|unit"),
        ({"ttl_ms": 999}, "ttl_ms"),
        ({"ttl_ms": "60s"}, "60s"),
        ({"overage_policy": "MAYBE"}, "MAYBE|overage_policy"),
        ({"action_kind": "x" * 65}, "kind"),
        ({"action_tags": [object()]}, "JSON"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_a_bad_option_is_named_before_anything_is_sent(
    server: TestServer, option: dict[str, Any], message: str
) -> None:
    with pytest.raises(CyclesValidationError, match=message):
        cycles(10, **{**CALL, **option}, client=server.client())(lambda: None)()
    assert server.count("create_reservation") == 0


def test_a_call_of_nobody_is_refused_before_anything_is_sent(server: TestServer) -> None:
    config = CyclesConfig(base_url=server.base_url, api_key=server.api_key(), journal_enabled=False)
    with CyclesClient(config) as client, pytest.raises(CyclesValidationError, match="tenant"):
        cycles(10, **{**CALL, "tenant": None}, client=client)(lambda: None)()
    assert server.count("create_reservation") == 0


def test_actual_can_be_demanded(server: TestServer) -> None:
    with pytest.raises(ValueError, match="actual is required"):
        cycles(10, use_estimate_if_actual_not_provided=False, **CALL, client=server.client())


def test_options_may_depend_on_the_arguments(server: TestServer) -> None:
    client = server.client()
    ids = []

    class Agent:
        @cycles(
            lambda _self, prompt, **_: len(prompt),
            unit="TOKENS",
            tenant="acme",
            agent=lambda self, *_, **__: self.name,
            action_kind="llm.completion",
            action_name=lambda *_, model: model,
            action_tags=lambda *_, **__: ["prod"],
            dimensions=lambda *_, **__: {"team": "blue"},
            client=client,
        )
        def ask(self, prompt: str, *, model: str) -> None:
            """Asks."""
            context = get_cycles_context()
            assert context is not None
            ids.append(context.reservation_id)

        name = "bot"

    Agent().ask("hello", model="m-1")
    assert Agent.ask.__doc__ == "Asks."
    detail = client.get_reservation(ids[0]).body
    assert detail is not None
    assert detail["subject"] == {"tenant": "acme", "agent": "bot", "dimensions": {"team": "blue"}}
    assert detail["action"] == {"kind": "llm.completion", "name": "m-1", "tags": ["prod"]}
    assert balance(server) == (995, 0, 5)


def test_ttl_and_policy_are_only_sent_when_set(server: TestServer) -> None:
    """The overage is capped by the tenant's default policy, which an SDK default would override."""
    options = cycles(100, **CALL, client=server.client())
    document = inspect.getclosurevars(options).nonlocals["options"].request((), {})
    assert "ttl_ms" not in document
    assert "overage_policy" not in document
    assert "dry_run" not in document


def test_subject_defaults_come_from_the_configuration(server: TestServer) -> None:
    client = server.client(config={"tenant": "acme", "agent": "bot"})

    @cycles(10, unit="TOKENS", client=client)
    def work() -> str | None:
        context = get_cycles_context()
        return context.scope_path if context is not None else None

    assert work() == "tenant:acme/agent:bot"


def test_unfinished_work_is_not_committed(server: TestServer) -> None:
    async def later() -> None:
        raise AssertionError("ran")

    guarded = cycles(10, **CALL, client=server.client())
    with pytest.raises(CyclesValidationError, match="has not run yet"):
        guarded(lambda: later())()
    with pytest.raises(CyclesValidationError, match="has not run yet"):
        guarded(lambda: (n for n in range(3)))()
    assert balance(server) == (1000, 0, 0)


async def test_async_callables_are_recognised(server: TestServer) -> None:
    class Work:
        async def __call__(self) -> str:
            return "object"

    async def partial(text: str) -> str:
        return text

    guarded = cycles(10, **CALL, client=server.async_client())
    assert await guarded(Work())() == "object"
    assert await guarded(functools.partial(partial, "partial"))() == "partial"


def test_a_refused_commit_keeps_the_result_and_is_logged(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    contexts = []

    @cycles(100, actual=5000, overage_policy="REJECT", **CALL, client=server.client())
    def work() -> str:
        contexts.append(get_cycles_context())
        return "result"

    with caplog.at_level(logging.WARNING, logger="runcycles"):
        assert work() == "result"
    assert contexts[0].settlement.outcome == "refused"
    assert isinstance(contexts[0].settlement.error, BudgetExceededError)
    assert "outcome=refused" in caplog.text


def test_an_embedded_client_needs_no_server() -> None:
    client = CyclesClient.embedded(budgets={"tenant:acme": Amount.tokens(100)})

    @cycles(60, unit="TOKENS", client=client)
    def work() -> str:
        return "result"

    assert work() == "result"
    with pytest.raises(BudgetExceededError):
        work()
