"""How the package's types look to its users; checked by mypy and pyright, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from typing_extensions import assert_type

from runcycles import (
    Amount,
    AsyncCyclesClient,
    CyclesClient,
    CyclesContext,
    CyclesResponse,
    Reservation,
    StreamReservation,
    cycles,
    get_cycles_context,
    microcents,
    usd,
)
from runcycles.testing import TestServer, assert_denied


@cycles(usd("0.02"), actual=lambda reply: len(reply))
def ask(prompt: str, *, temperature: float = 0.0) -> str:
    return prompt


@cycles(estimate=lambda prompt: len(prompt), unit="TOKENS")
async def ask_later(prompt: str) -> str:
    return prompt


@cycles(microcents(10))
def pieces(count: int) -> Iterator[int]:
    yield from range(count)


@cycles(10)
async def later_pieces(count: int) -> AsyncIterator[int]:
    yield count


async def use(client: CyclesClient, asynchronous: AsyncCyclesClient, server: TestServer) -> None:
    assert_type(ask("a", temperature=0.5), str)
    assert_type(await ask_later("a"), str)
    later: Callable[[str], Coroutine[Any, Any, str]] = ask_later
    assert_type(list(pieces(3)), list[int])
    assert_type([piece async for piece in later_pieces(3)], list[int])
    assert_type(get_cycles_context(), CyclesContext | None)
    assert_type(client.decide({}), CyclesResponse)
    assert_type(await asynchronous.decide({}), CyclesResponse)
    with client.reserve(usd("1"), agent="bot") as held:
        assert_type(held, Reservation)
        held.actual = Amount.tokens(5)
    with client.stream_reservation(action={"kind": "k", "name": "n"}, estimate=usd("1")) as stream:
        assert_type(stream, StreamReservation)
        for piece in stream.watch([1, 2]):
            assert_type(piece, int)
    with assert_denied() as denial:
        assert_type(denial.error is None, bool)
    assert_type(server.client(), CyclesClient)
    del later
