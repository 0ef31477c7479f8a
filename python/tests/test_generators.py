"""Guarded generators: reserved at the first item, settled once, however they end."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest
from conftest import CALL, balance
from processes import SERVE, Script, finish

from runcycles import (
    AsyncCyclesClient,
    BudgetExceededError,
    CyclesClient,
    CyclesValidationError,
    cycles,
    get_cycles_context,
)
from runcycles.testing import TestServer


def words(client: CyclesClient, *, estimate: int = 100) -> Callable[[str], Iterator[str]]:
    @cycles(estimate, actual=lambda items: sum(map(len, items)), **CALL, client=client)
    def split(text: str) -> Iterator[str]:
        yield from text.split()

    return split


def async_words(client: AsyncCyclesClient) -> Callable[[str], AsyncIterator[str]]:
    @cycles(100, actual=lambda items: sum(map(len, items)), **CALL, client=client)
    async def split(text: str) -> AsyncIterator[str]:
        for word in text.split():
            await asyncio.sleep(0)
            yield word

    return split


def test_it_commits_what_it_yielded_when_it_ends(server: TestServer, transport: str) -> None:
    """PY 0.5 committed before the first item was produced."""
    generator = words(server.client(transport=transport))("one three")
    assert balance(server) == (1000, 0, 0), "nothing is reserved before the first item"
    assert next(generator) == "one"
    assert balance(server) == (900, 100, 0)
    assert list(generator) == ["three"]
    assert balance(server) == (992, 0, 8)


async def test_async_generators_too(server: TestServer, transport: str) -> None:
    """PY 0.5 raised a TypeError."""
    split = async_words(server.async_client(transport=transport))
    assert inspect.isasyncgenfunction(split)
    assert [word async for word in split("one three")] == ["one", "three"]
    assert balance(server) == (992, 0, 8)


def test_closed_and_abandoned_ones_commit_what_they_yielded(server: TestServer) -> None:
    split = words(server.client())
    closed = split("one three")
    next(closed)
    closed.close()
    assert balance(server) == (997, 0, 3)
    for _ in split("four"):
        break  # the generator is abandoned
    gc.collect()
    assert balance(server) == (993, 0, 7)


async def test_closed_async_ones_commit_what_they_yielded(server: TestServer) -> None:
    closed: Any = async_words(server.async_client())("one three")
    await anext(closed)
    await closed.aclose()
    assert balance(server) == (997, 0, 3)


def test_an_abandoned_async_one_is_settled_with_its_loop(server: TestServer) -> None:
    client = server.async_client()

    async def main() -> None:
        async for _ in async_words(client)("one three"):
            return

    asyncio.run(main())
    assert balance(server) == (997, 0, 3)


def test_one_that_fails_releases_before_its_first_item_and_commits_after(server: TestServer) -> None:
    @cycles(100, actual=lambda items: 7 * len(items), **CALL, client=server.client())
    def failing(items: int) -> Iterator[int]:
        yield from range(items)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        list(failing(0))
    assert balance(server) == (1000, 0, 0)
    with pytest.raises(ValueError, match="boom"):
        list(failing(2))
    assert balance(server) == (986, 0, 14)


async def drain(items: AsyncIterator[int]) -> None:
    async for _ in items:
        pass


async def test_an_async_one_that_fails(server: TestServer) -> None:
    @cycles(100, actual=lambda items: 7 * len(items), **CALL, client=server.async_client())
    async def failing(items: int) -> AsyncIterator[int]:
        for item in range(items):
            yield item
        raise ValueError("boom")

    for items, expected in ((0, (1000, 0, 0)), (2, (986, 0, 14))):
        with pytest.raises(ValueError, match="boom"):
            await drain(failing(items))
        assert balance(server) == expected


def test_send_throw_and_return_pass_through(server: TestServer) -> None:
    @cycles(10, **CALL, client=server.client())
    def talk() -> Generator[str, str, str]:
        heard = yield "hello"
        try:
            yield heard
        except KeyError:
            yield "recovered"
        return "bye"

    def all_of_it() -> Generator[str, str, None]:
        assert (yield from talk()) == "bye"

    talking = all_of_it()
    assert next(talking) == "hello"
    assert talking.send("echo") == "echo"
    assert talking.throw(KeyError()) == "recovered"
    assert list(talking) == []
    assert balance(server) == (990, 0, 10)


def test_its_context_does_not_leak_to_the_consumer(server: TestServer) -> None:
    client = server.client()
    seen = []

    @cycles(10, **CALL, client=client)
    def items() -> Iterator[str | None]:
        for _ in range(2):
            context = get_cycles_context()
            yield context.reservation_id if context is not None else None

    for first, second in zip(items(), items(), strict=True):
        assert get_cycles_context() is None
        seen.append((first, second))
    assert seen[0] == seen[1]
    assert None not in seen[0]
    assert len(set(seen[0])) == 2, "two generators in turn see their own reservations"


def test_a_denial_comes_with_the_first_item(server: TestServer) -> None:
    generator = words(server.client(), estimate=1001)("never")
    with pytest.raises(BudgetExceededError):
        next(generator)


def test_methods_and_partials(server: TestServer) -> None:
    class Agent:
        @cycles(10, actual=lambda items: len(items), **CALL, client=server.client())
        def __call__(self, count: int) -> Iterator[int]:
            yield from range(count)

    assert list(Agent()(3)) == [0, 1, 2]
    two = cycles(10, actual=len, **CALL, client=server.client())(functools.partial(range_of, 2))
    assert list(two()) == [0, 1]
    assert balance(server) == (995, 0, 5)


def range_of(count: int) -> Iterator[int]:
    yield from range(count)


def test_a_dry_run_of_a_generator_is_refused_at_decoration() -> None:
    with pytest.raises(CyclesValidationError, match="decide"):
        cycles(10, dry_run=True)(range_of)


def test_one_that_is_open_at_exit_is_settled(script: Script) -> None:
    source = (
        SERVE
        + """
import atexit
@guarded
def numbers():
    yield 1
    yield 2

open_one = numbers()
next(open_one)
atexit.register(lambda: print(server.budget("tenant:acme", "TOKENS")["reserved"]))
del open_one
print("done")
"""
    )
    assert finish(script(source)) == "done\n0"
