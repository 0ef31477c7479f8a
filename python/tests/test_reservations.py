"""`with client.reserve(…)`, and clients of the wrong kind."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import CALL, balance

from runcycles import (
    Amount,
    AsyncCyclesClient,
    BudgetExceededError,
    CyclesClient,
    CyclesTypeError,
    CyclesValidationError,
    cycles,
    get_cycles_context,
)
from runcycles.testing import TestServer


def test_a_block_is_committed_at_its_estimate_or_its_actual(server: TestServer, transport: str) -> None:
    client = server.client(transport=transport)
    with client.reserve(100, **CALL) as held:
        assert balance(server) == (900, 100, 0)
        assert get_cycles_context() is held
        assert held.estimate == 100
        assert held.reservation_id in repr(held)
    assert get_cycles_context() is None
    assert held.settlement is not None
    assert held.settlement.outcome == "committed"
    with client.reserve(Amount.tokens(100), tenant="acme") as held:
        held.actual = 40
    assert balance(server) == (860, 0, 140)


async def test_async_blocks(server: TestServer, transport: str) -> None:
    client = server.async_client(transport=transport)
    async with client.reserve(100, **CALL) as held:
        held.actual = 40
    with pytest.raises(KeyError):
        async with client.reserve(100, **CALL):
            raise KeyError
    assert balance(server) == (960, 0, 40)
    async with client.reserve(100, **CALL) as held:
        assert (await held.commit(1)).outcome == "committed"
        assert (await held.release()).outcome == "already_settled"
    assert held.settlement is not None
    assert held.settlement.outcome == "committed", "the first counts"
    assert balance(server) == (959, 0, 41)


def test_a_block_that_raises_releases_unless_it_said_what_it_cost(server: TestServer) -> None:
    client = server.client()
    with pytest.raises(KeyError), client.reserve(100, **CALL):
        raise KeyError
    assert balance(server) == (1000, 0, 0)

    def fail_at(actual: int) -> None:
        with client.reserve(100, **CALL) as held:
            held.actual = actual
            raise KeyError

    with pytest.raises(KeyError):
        fail_at(30)
    assert balance(server) == (970, 0, 30)


def test_a_block_may_settle_early_and_an_actual_that_makes_no_sense_is_the_estimate(
    server: TestServer,
) -> None:
    client = server.client()
    with client.reserve(100, **CALL) as held:
        assert held.release("not needed").outcome == "released"
    assert balance(server) == (1000, 0, 0)
    with client.reserve(100, **CALL) as held:
        held.actual = -5
    assert balance(server) == (900, 0, 100)


def test_a_refused_block_does_not_run(server: TestServer) -> None:
    with pytest.raises(BudgetExceededError), server.client().reserve(1001, **CALL):
        raise AssertionError("ran")
    with pytest.raises(CyclesValidationError, match=r"int number of TOKENS.*math\.ceil"):
        server.client().reserve(1.5, **CALL)
    with pytest.raises(RuntimeError, match="enter the `with` block first"):
        server.client().reserve(1, **CALL).commit()


@pytest.mark.parametrize("is_async", [True, False])
def test_a_client_of_the_wrong_kind_is_named_at_decoration(server: TestServer, is_async: bool) -> None:
    client = server.client()
    guarded = cycles(10, **CALL, client=client if is_async else client.as_async())

    async def asynchronous() -> None: ...

    def synchronous() -> None: ...

    function: Any = asynchronous if is_async else synchronous
    with pytest.raises(CyclesTypeError, match=r"pass one made with (Async)?CyclesClient.*as_(a)?sync\(\)"):
        guarded(function)
    with pytest.raises(TypeError, match="must be a CyclesClient"):
        cycles(10, client=object())(function)


async def test_both_kinds_may_share_one_authority() -> None:
    client = CyclesClient.embedded(budgets={"tenant:acme": Amount.tokens(100)})
    asynchronous = client.as_async()
    assert isinstance(asynchronous, AsyncCyclesClient)
    assert isinstance(asynchronous.as_sync(), CyclesClient)

    @cycles(60, unit="TOKENS", client=asynchronous)
    async def work() -> None: ...

    await work()
    with pytest.raises(BudgetExceededError), client.reserve(60, unit="TOKENS"):
        pass


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (classmethod(lambda cls: None), "below @classmethod"),
        (property(lambda self: None), "below @property"),
        (TestServer, "guard its methods"),
        ("text", "with parentheses"),
    ],
)
def test_what_is_no_function_is_refused_at_decoration(what: Any, message: str) -> None:
    with pytest.raises(CyclesValidationError, match=message):
        cycles(10)(what)


@pytest.mark.parametrize(
    ("unit", "message"),
    [("usd", "did you mean USD_MICROCENTS"), ("token", "did you mean TOKENS"), (7, "unit must be one of")],
)
def test_a_wrong_unit_is_refused_at_decoration(unit: Any, message: str) -> None:
    with pytest.raises(CyclesValidationError, match=message):
        cycles(10, unit=unit)


@pytest.mark.parametrize("estimate", [1.5, -1, None, True, float("nan"), "10", 2**63])
def test_a_bad_constant_estimate_is_refused_at_decoration(estimate: Any) -> None:
    with pytest.raises(CyclesValidationError, match="estimate must be"):
        cycles(estimate)


def test_an_estimate_that_raises_or_is_async_says_so(server: TestServer) -> None:
    async def later() -> int:
        return 1

    def work() -> None:
        raise AssertionError("ran")

    with pytest.raises(CyclesValidationError, match="estimate raised ZeroDivisionError") as caught:
        cycles(lambda: 1 // 0, **CALL, client=server.client())(work)()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(CyclesValidationError, match="must not be async"):
        cycles(later, **CALL, client=server.client())(work)()
    with pytest.raises(CyclesValidationError, match="agent raised KeyError"):
        cycles(1, **{**CALL, "agent": lambda: {}["name"]}, client=server.client())(work)()
    assert server.count("create_reservation") == 0
