"""The bridge between tokio and asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections import Counter
from time import monotonic
from typing import Any

import pytest
from conftest import CALL, balance
from processes import awaited, threads

from runcycles import (
    Amount,
    AsyncCyclesClient,
    CyclesInternalError,
    _native,
    cycles,
)
from runcycles.testing import TestServer


def test_a_panic_is_an_exception_and_the_process_lives() -> None:
    with pytest.raises(CyclesInternalError, match="asked for by a test"):
        _native.panic_for_test()
    with pytest.raises(CyclesInternalError, match="asked for by a test"):
        asyncio.run(awaited(_native.panic_for_test_async))


def test_async_calls_need_a_loop(server: TestServer) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        _native.wait_forever_for_test_async()


def test_loops_come_and_go(server: TestServer) -> None:
    client = server.async_client()
    for _ in range(20):
        asyncio.run(awaited(lambda: client.get_balances(tenant="acme")))
    assert _native.bridge_statistics()["loops"] <= 2


def test_loops_in_several_threads(server: TestServer) -> None:
    guarded = cycles(1, **CALL, client=server.async_client())

    @guarded
    async def work() -> int:
        return 1

    async def many() -> int:
        return sum(await asyncio.gather(*(work() for _ in range(20))))

    totals = []
    workers = [threading.Thread(target=lambda: totals.append(asyncio.run(many()))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert totals == [20] * 4
    assert balance(server) == (920, 0, 80)


async def test_the_loop_turns_between_calls_that_end_together(server: TestServer) -> None:
    client, calls = server.async_client(), 64
    turns, ended = 0, Counter[int]()

    async def call() -> None:
        await client.get_balances(tenant="acme")
        ended[turns] += 1

    tasks = [asyncio.create_task(call()) for _ in range(calls)]
    await asyncio.sleep(0)
    # The loop's thread is held here until all answers are in.
    nothing, deadline = threading.Event(), monotonic() + 10
    while _native.bridge_statistics()["arrived"] < calls and monotonic() < deadline:
        nothing.wait(0.001)
    assert _native.bridge_statistics()["arrived"] == calls
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turns += 1
    assert ended.total() == calls
    assert max(ended.values()) <= 8


class NoReaders(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as on Windows."""

    own = False

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> Any:
        if self.own:
            return super().remove_reader(fd)
        raise NotImplementedError

    def _close_self_pipe(self) -> None:
        self.own = True
        super()._close_self_pipe()


def test_loops_without_readers_are_woken_by_a_thread(server: TestServer) -> None:
    guarded = cycles(1, **CALL, client=server.async_client())

    @guarded
    async def work() -> int:
        return 1

    async def many() -> int:
        return sum(await asyncio.gather(*(work() for _ in range(50))))

    for _ in range(3):
        loop = NoReaders()
        try:
            assert loop.run_until_complete(many()) == 50
        finally:
            loop.close()
    asyncio.run(awaited(work))
    assert "runcycles-wakeup" not in [thread_name(task) for task in os.listdir("/proc/self/task")]


def thread_name(task: str) -> str:
    try:
        with open(f"/proc/self/task/{task}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return ""


async def test_concurrent_calls_cost_no_threads(server: TestServer) -> None:
    guarded = cycles(1, **CALL, client=server.async_client())
    entered = 0
    all_in = asyncio.Event()

    @guarded
    async def work() -> int:
        nonlocal entered
        entered += 1
        if entered == 200:
            all_in.set()
        await all_in.wait()
        return threads()

    before = threads()
    counts = await asyncio.gather(*(work() for _ in range(200)))
    # One of an earlier test may end meanwhile.
    assert max(counts) <= before
    assert balance(server) == (800, 0, 200)


def test_concurrent_sync_calls_cost_only_their_callers_threads(server: TestServer) -> None:
    everybody = threading.Barrier(31)
    done = threading.Barrier(31)

    @cycles(1, **CALL, client=server.client())
    def work() -> None:
        everybody.wait(60)
        done.wait(60)

    before = threads()
    callers = [threading.Thread(target=work) for _ in range(30)]
    for caller in callers:
        caller.start()
    everybody.wait(60)
    during = threads()
    done.wait(60)
    for caller in callers:
        caller.join()
    assert during <= before + 30


def resident_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def test_ten_thousand_cancelled_awaits_do_not_grow() -> None:
    waiting = _native.bridge_statistics()["waiting"]

    async def cancel_many(count: int) -> None:
        for _ in range(count // 100):
            tasks = [asyncio.ensure_future(awaited(_native.wait_forever_for_test_async)) for _ in range(100)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    await cancel_many(2_000)
    before = resident_kib()
    await cancel_many(10_000)
    gc.collect()
    assert resident_kib() - before < 4_096
    assert _native.bridge_statistics()["waiting"] == waiting


async def test_ten_thousand_guarded_calls_grow_no_more_than_their_ledger() -> None:
    """The ledger in this process remembers each reservation: about 1.2 KiB a call."""
    client = AsyncCyclesClient.embedded(budgets={"tenant:acme": Amount.tokens(100_000)})

    @cycles(1, unit="TOKENS", client=client)
    async def work() -> None:
        pass

    async def call_many(count: int) -> None:
        for _ in range(count // 100):
            await asyncio.gather(*(work() for _ in range(100)))

    await call_many(2_000)
    before = resident_kib()
    await call_many(10_000)
    gc.collect()
    assert resident_kib() - before < 24_576


def test_uvloop_too(server: TestServer) -> None:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for this platform")

    @cycles(1, **CALL, client=server.async_client())
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def main() -> list[int]:
        return await asyncio.gather(*(work(number) for number in range(50)))

    assert uvloop.run(main()) == list(range(50))
    assert balance(server) == (950, 0, 50)
