"""`client.stream_reservation`: as users of 0.5 know it, and watched by the core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from conftest import CALL, balance

from runcycles import (
    Action,
    Amount,
    BudgetExceededError,
    CyclesMetrics,
    CyclesProtocolError,
    CyclesValidationError,
    Decision,
    ReservationExpiredError,
    StreamReservation,
    StreamUsage,
    Subject,
    cycles,
    get_cycles_context,
)
from runcycles.testing import ManualClock, TestServer

STREAM: Any = {
    "subject": Subject(tenant="acme"),
    "action": Action(kind="llm.completion", name="test-model"),
    "estimate": Amount.tokens(100),
}


def test_it_commits_the_cost_function_s_cost_with_its_metrics(server: TestServer, transport: str) -> None:
    client = server.client(transport=transport)
    cost = lambda usage: usage.tokens_input + 2 * usage.tokens_output  # noqa: E731
    with client.stream_reservation(
        **STREAM, cost_fn=cost, metadata={"job": "j"}, idempotency_key="k-1"
    ) as stream:
        assert stream.decision is Decision.ALLOW
        assert stream.caps is None
        context = get_cycles_context()
        assert context is stream.context
        assert context.reservation_id == stream.reservation_id
        stream.usage.add_input_tokens(10)
        stream.usage.add_output_tokens(20)
        stream.usage.model_version = "m-1"
    assert get_cycles_context() is None
    assert balance(server) == (950, 0, 50)
    assert (stream.settlement_error, stream.release_error) == (None, None)
    detail = client.get_reservation(stream.reservation_id).body
    assert detail is not None
    assert detail["committed_metadata"] == {"job": "j"}
    assert detail["idempotency_key"] == "k-1"


def test_an_actual_cost_wins_and_a_cost_function_that_raises_is_left_out(server: TestServer) -> None:
    client = server.client()
    with client.stream_reservation(**STREAM, cost_fn=lambda _: 99) as stream:
        stream.usage.set_actual_cost(7)
    assert balance(server) == (993, 0, 7)
    with client.stream_reservation(**STREAM, cost_fn=lambda _: 1 // 0) as stream:
        stream.usage.tokens_output = 3
    assert balance(server) == (990, 0, 10), "the tokens that were counted"


async def test_an_async_one(server: TestServer, transport: str) -> None:
    client = server.async_client(transport=transport)
    async with client.stream_reservation(**STREAM) as stream:
        async for _ in stream.watch(pieces(4)):
            stream.usage.add_output_tokens(5)
    assert balance(server) == (980, 0, 20)


async def pieces(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def test_one_that_fails_commits_what_flowed_and_releases_where_nothing_did(server: TestServer) -> None:
    """PY 0.5 released everything, whatever had been used."""
    client = server.client()

    def fail(tokens: int) -> None:
        with client.stream_reservation(**STREAM) as stream:
            stream.usage.tokens_output = tokens
            raise KeyError

    with pytest.raises(KeyError):
        fail(0)
    assert balance(server) == (1000, 0, 0)
    with pytest.raises(KeyError):
        fail(30)
    assert balance(server) == (970, 0, 30)


def test_it_is_cut_when_its_hold_is_used_up(server: TestServer) -> None:
    source = iter(range(100))
    with server.client().stream_reservation(**STREAM, on_limit="cut") as stream:
        flowed = 0
        for _ in stream.watch(source):
            stream.usage.add_output_tokens(30)
            flowed += 1
    assert (flowed, stream.is_cut, stream.limit_error) == (4, True, None)
    assert next(source) == 4, "no piece was taken that nobody got"


def test_it_extends_and_says_which_further_hold_was_refused(server: TestServer) -> None:
    with server.client().stream_reservation(**STREAM, on_limit="extend", extend_by=450) as stream:
        for _ in stream.watch(range(10)):
            stream.usage.add_output_tokens(150)
        assert len(stream.reservation_ids) == 3
    assert stream.is_cut
    assert isinstance(stream.limit_error, BudgetExceededError)
    assert balance(server) == (0, 0, 1000)


def test_a_closed_source_is_closed(server: TestServer) -> None:
    ended = []

    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            ended.append(True)

    with server.client().stream_reservation(**STREAM, on_limit="cut") as stream:
        for _ in stream.watch(source()):
            stream.usage.add_output_tokens(100)
    assert ended == [True]


def test_the_context_s_metrics_win(server: TestServer) -> None:
    client = server.client()
    with client.stream_reservation(**STREAM) as stream:
        stream.usage.tokens_output = 5
        stream.context.metrics = CyclesMetrics(tokens_output=6)
        stream.context.commit_metadata = {"a": object()}
    assert balance(server) == (995, 0, 5), "metadata that is not JSON does not lose the commit"


def test_a_commit_failure_is_told_and_raised_when_asked_for(server: TestServer) -> None:
    client = server.client()
    options = {**STREAM, "overage_policy": "REJECT"}

    def overdraw(raises: bool) -> StreamReservation:
        with client.stream_reservation(**options, raise_on_commit_failure=raises) as stream:
            stream.usage.set_actual_cost(5000)
        return stream

    stream = overdraw(raises=False)
    assert isinstance(stream.settlement_error, BudgetExceededError)
    with pytest.raises(CyclesProtocolError):
        overdraw(raises=True)


def test_bad_options_are_named(server: TestServer) -> None:
    client = server.client()
    with pytest.raises(CyclesValidationError, match=r"extend_by must be an int.*math\.ceil"):
        client.stream_reservation(**STREAM, extend_by=1.5)
    with pytest.raises(CyclesValidationError, match=r"estimate must be an Amount, such as usd"):
        client.stream_reservation(**{**STREAM, "estimate": 5})
    with pytest.raises(CyclesValidationError, match="stop"):
        client.stream_reservation(**STREAM, on_limit="stop").__enter__()
    stream = client.stream_reservation(**STREAM)
    with pytest.raises(RuntimeError, match="not available outside"):
        _ = stream.reservation_id
    with pytest.raises(BudgetExceededError):
        client.stream_reservation(**{**STREAM, "estimate": Amount.tokens(1001)}).__enter__()
    assert StreamUsage() == StreamUsage(0, 0, None, None, {})


CANCEL = {"heartbeat_policy": "cancel"}


async def test_a_lost_lease_cancels_a_coroutine(server: TestServer, clock: ManualClock) -> None:
    cancelled = asyncio.Event()
    server.inject("extend", "status", status=410, code="RESERVATION_EXPIRED")

    @cycles(100, ttl_ms=5000, client=server.async_client(config=CANCEL), **CALL)
    async def work() -> None:
        clock.advance(2000)
        try:
            await asyncio.to_thread(server.wait_for_faults, "extend")
            clock.advance(10_000)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(ReservationExpiredError, match="lost"):
        await asyncio.wait_for(work(), 10)
    assert cancelled.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert getattr(task, "cancelling", int)() == 0, "the task can go on"


async def test_a_cancellation_of_somebody_else_is_theirs(server: TestServer) -> None:
    @cycles(100, client=server.async_client(config=CANCEL), **CALL)
    async def work() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.wait_for("release", 1)
    assert balance(server) == (1000, 0, 0)


async def test_a_lost_lease_ends_the_wait_for_a_piece(server: TestServer, clock: ManualClock) -> None:
    server.inject("extend", "status", status=410, code="RESERVATION_EXPIRED")

    async def silent() -> AsyncIterator[int]:
        yield 1
        clock.advance(2000)
        await asyncio.to_thread(server.wait_for_faults, "extend")
        clock.advance(10_000)
        await asyncio.Event().wait()

    client = server.async_client(config=CANCEL)
    async with client.stream_reservation(**STREAM, ttl_ms=5000) as stream:
        async for _ in stream.watch(silent()):
            stream.usage.add_output_tokens(10)
    assert stream.is_cut
    assert isinstance(stream.limit_error, ReservationExpiredError)
