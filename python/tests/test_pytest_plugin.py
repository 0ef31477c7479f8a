"""The plugin's fixtures, and the assertions that go with them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runcycles import (
    Amount,
    AsyncCyclesClient,
    BudgetExceededError,
    CyclesClient,
    CyclesTransportError,
    CyclesValidationError,
    cycles,
    usd,
)
from runcycles.defaults import chosen_client
from runcycles.testing import ManualClock, TestServer, assert_denied, assert_spent

pytest_plugins = ["pytester"]


@cycles(estimate=usd("0.40"), actual=usd("0.25"))
def ask() -> str:
    """Names no client: the fixture's is the default."""
    return "answer"


def test_guarded_code_runs_unchanged(cycles_server: TestServer, cycles_client: CyclesClient) -> None:
    assert [ask() for _ in range(3)] == ["answer"] * 3
    assert_spent(cycles_server, usd("0.75"))
    with assert_denied("BUDGET_EXCEEDED") as denial:
        ask()
    assert denial.error is not None
    assert denial.error.is_budget_exceeded()


@pytest.mark.parametrize("_again", range(2))
def test_every_test_has_a_ledger_of_its_own(
    cycles_server: TestServer, cycles_client: CyclesClient, _again: int
) -> None:
    ask()
    assert_spent(cycles_server, usd("0.25"))


async def test_async_code_too(cycles_server: TestServer, cycles_async_client: AsyncCyclesClient) -> None:
    @cycles(estimate=usd("0.40"))
    async def ask_later() -> None: ...

    await ask_later()
    async with cycles_async_client.reserve(usd("0.10")):
        pass
    with assert_denied():
        await cycles(estimate=usd("0.60"))(ask_later)()
    assert_spent(cycles_server, usd("0.50"))


@pytest.mark.cycles(budgets={"tenant:acme/agent:bot": Amount.tokens(10)})
def test_the_marker_says_what_is_there(cycles_server: TestServer, cycles_client: CyclesClient) -> None:
    with cycles_client.reserve(4, unit="TOKENS", agent="bot") as held:
        assert held.scope_path == "tenant:acme/agent:bot"
    assert_spent(cycles_server, Amount.tokens(4))
    assert_spent(cycles_server, Amount.tokens(4), scope="tenant:acme/agent:bot")


def test_time_and_faults_are_in_the_test_s_hands(
    cycles_server: TestServer, cycles_client: CyclesClient, cycles_clock: ManualClock
) -> None:
    assert cycles_server.clock is cycles_clock
    cycles_server.inject("create_reservation", "status", status=503, times=10)
    with pytest.raises(AssertionError, match="nothing was denied: no answer came"), assert_denied():
        raise CyclesTransportError("cannot be reached")
    before = cycles_clock.now_ms()
    cycles_server.clock.advance(1500)
    assert cycles_clock.now_ms() == before + 1500


def test_failures_say_how_things_stand(cycles_server: TestServer, cycles_client: CyclesClient) -> None:
    ask()
    with (
        pytest.raises(AssertionError) as caught,
        cycles_client.reserve(usd("0.10")),
    ):
        assert_spent(cycles_server, usd("0.30"))
    message = str(caught.value)
    assert "tenant:acme has spent 25000000 USD_MICROCENTS ($0.25), not 30000000 USD_MICROCENTS" in message
    assert "10000000 USD_MICROCENTS ($0.1) is still held" in message
    with pytest.raises(AssertionError, match="nothing was denied: the block ran"), assert_denied():
        pass
    with pytest.raises(AssertionError, match="denied with BUDGET_EXCEEDED, not TENANT_CLOSED"):
        deny_as("TENANT_CLOSED")
    with pytest.raises(KeyError), assert_denied():
        raise KeyError
    with pytest.raises(CyclesValidationError), assert_denied():
        raise CyclesValidationError("m")


def deny_as(code: str) -> None:
    with assert_denied(code):
        raise BudgetExceededError("m", error_code="BUDGET_EXCEEDED")


def test_it_starts_in_less_than_fifty_milliseconds() -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with TestServer(budgets={"tenant:acme": usd("1")}, clock=ManualClock()) as server, server.client():
            times.append(time.perf_counter() - start)
    assert min(times) < 0.05, times


def test_a_default_client_of_before_is_the_default_again(pytester: Any) -> None:
    pytester.makepyfile(
        """
        from runcycles import CyclesClient, usd, set_default_client
        from runcycles.defaults import chosen_client

        mine = CyclesClient.embedded(budgets={"tenant:mine": usd("1")})
        set_default_client(mine)

        def test_inside(cycles_client):
            assert chosen_client() is cycles_client

        def test_outside():
            assert chosen_client() is mine
        """
    )
    pytester.runpytest_subprocess("-p", "runcycles.pytest_plugin").assert_outcomes(passed=2)
    assert chosen_client() is None
