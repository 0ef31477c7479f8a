"""What a cancelled await leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from conftest import CALL, balance
from processes import awaited

from runcycles import (
    _native,
    cycles,
)
from runcycles.testing import TestServer


async def test_cancelling_a_read_stops_it() -> None:
    waiter = asyncio.ensure_future(awaited(_native.wait_forever_for_test_async))
    await asyncio.sleep(0)
    waiting = _native.bridge_statistics()["waiting"]
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await asyncio.sleep(0)
    assert _native.bridge_statistics()["waiting"] == waiting - 1


async def test_cancelling_the_function_releases(server: TestServer, transport: str) -> None:
    running = asyncio.Event()

    @cycles(100, **CALL, client=server.async_client(transport=transport))
    async def work() -> None:
        running.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await running.wait()
    assert balance(server) == (900, 100, 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.wait_for("release", 1)
    assert balance(server) == (1000, 0, 0)


async def test_cancelling_the_reserve_leaves_nothing_held(server: TestServer) -> None:
    @cycles(100, **CALL, client=server.async_client())
    async def work() -> None:
        raise AssertionError("ran")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)  # the reserve is on its way
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.wait_for("create_reservation", 1)
    # The loop goes on meanwhile: the guard may be on its way to it.
    await asyncio.to_thread(server.wait_for, "release", 1)
    assert balance(server) == (1000, 0, 0)


def test_a_reserve_cancelled_as_its_loop_ends_leaves_nothing_held(server: TestServer) -> None:
    @cycles(100, **CALL, client=server.async_client())
    async def work() -> None:
        raise AssertionError("ran")

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)  # the reserve is on its way
        task.cancel()

    asyncio.run(main())
    server.wait_for("release", 1)
    assert balance(server) == (1000, 0, 0)


async def test_cancelling_during_the_commit_does_not_stop_it(server: TestServer, transport: str) -> None:
    task: asyncio.Task[None] | None = None

    def actual(_: object) -> int:
        # The commit starts in this step of the task; the cancellation meets it.
        assert task is not None
        task.cancel()
        return 60

    @cycles(100, actual=actual, **CALL, client=server.async_client(transport=transport))
    async def work() -> None:
        pass

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    server.wait_for("commit", 1)
    assert balance(server) == (940, 0, 60)
