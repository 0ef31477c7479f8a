"""The bridge between tokio and asyncio; signals, forks and the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from conftest import CALL, balance

from runcycles import (
    Amount,
    AsyncCyclesClient,
    CyclesClient,
    CyclesConfig,
    CyclesInternalError,
    _native,
    cycles,
)
from runcycles.testing import TestServer

Script = Callable[[str], "subprocess.Popen[str]"]

SERVE = """
import asyncio, os, sys
from runcycles import CyclesClient, CyclesError, cycles
from runcycles.testing import TestServer
server = TestServer({
    "tenants": [{"tenant_id": "acme"}],
    "keys": [{"name": "default", "secret": "cyc_test_acme", "tenant_id": "acme"}],
    "budgets": [{"scope": "tenant:acme", "unit": "TOKENS", "allocated": 100000}],
})
client = server.client()
guarded = cycles(1, unit="TOKENS", tenant="acme", client=client)
"""


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def finish(process: subprocess.Popen[str]) -> str:
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, f"exit code {process.returncode}\n{err}"
    return out.strip()


# --- the bridge --------------------------------------------------------------


def test_a_panic_is_an_exception_and_the_process_lives() -> None:
    with pytest.raises(CyclesInternalError, match="asked for by a test"):
        _native.panic_for_test()
    with pytest.raises(CyclesInternalError, match="asked for by a test"):
        asyncio.run(awaited(_native.panic_for_test_async))


async def awaited(start: Callable[[], Any]) -> Any:
    return await start()


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
        super()._close_self_pipe()  # type: ignore[misc]


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


async def test_cancelling_the_reserve_leaves_nothing_held(server: TestServer, transport: str) -> None:
    @cycles(100, **CALL, client=server.async_client(transport=transport))
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


# --- signals -----------------------------------------------------------------


def test_ctrl_c_ends_a_sync_wait() -> None:
    interrupter = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))

    def wait() -> None:
        interrupter.start()
        _native.wait_forever_for_test()

    with pytest.raises(KeyboardInterrupt):
        wait()
    interrupter.join()


def test_ctrl_c_ends_a_call_to_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def interrupt_when_called() -> None:
            connections.append(listener.accept()[0])
            os.kill(os.getpid(), signal.SIGINT)

        interrupter = threading.Thread(target=interrupt_when_called)
        interrupter.start()
        client = CyclesClient(
            CyclesConfig(f"http://127.0.0.1:{listener.getsockname()[1]}", "k", read_timeout=60.0)
        )
        with pytest.raises(KeyboardInterrupt):
            client.get_balances(tenant="acme")
        interrupter.join()
        for connection in connections:
            connection.close()


def test_ctrl_c_in_the_function_releases(server: TestServer) -> None:
    @cycles(100, **CALL, client=server.client())
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert balance(server) == (1000, 0, 0)


# --- forks -------------------------------------------------------------------


def test_a_forked_child_connects_again(script: Script) -> None:
    source = (
        SERVE
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

@guarded
def sync(): return "sync"

@guarded
async def asynchronous(): return "async"

sync(); asyncio.run(asynchronous())
local = cycles(1, unit="TOKENS", tenant="acme", client=server.client(transport="local"))
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        assert sync() == "sync"
        assert asyncio.run(asynchronous()) == "async"
        try:
            local(sync)()
            os._exit(3)
        except CyclesError as error:
            os._exit(0 if "forked" in str(error) else 4)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert sync() == "sync"
print(codes, server.budget("tenant:acme", "TOKENS")["spent"])
"""
    )
    assert finish(script(source)) == "[0, 0, 0] 9"


def test_a_child_of_a_fork_inside_a_guarded_call_leaves_the_reservation_alone(script: Script) -> None:
    source = (
        SERVE
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

@guarded
def work():
    child = os.fork()
    if child == 0:
        sys.exit(0)  # raises SystemExit through the guarded call
    assert os.waitpid(child, 0)[1] == 0
    assert server.budget("tenant:acme", "TOKENS")["reserved"] == 1

work()
print(server.budget("tenant:acme", "TOKENS")["spent"], server.count("release"))
"""
    )
    assert finish(script(source)) == "1 0"


# --- the end of the process --------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "asyncio.run(one())",
        "asyncio.run(many())",
        "asyncio.run(in_flight())",
        "one_sync()",
    ],
    ids=["one-await", "gathered", "in-flight-at-exit", "sync"],
)
def test_the_interpreter_ends_cleanly_every_time(script: Script, body: str) -> None:
    source = (
        SERVE
        + """
@guarded
async def one(): return 1

@guarded
def one_sync(): return 1

async def many():
    assert sum(await asyncio.gather(*(one() for _ in range(50)))) == 50

async def in_flight():
    tasks = [asyncio.ensure_future(one()) for _ in range(200)]
    await tasks[0]
"""
        + body
        + "\nprint('done')\n"
    )
    for _ in range(5):
        assert [finish(process) for process in [script(source), script(source)]] == ["done", "done"]


class SlowToCommit(BaseHTTPRequestHandler):
    """Answers a commit only when the client's process is on its way out, and still there."""

    protocol_version = "HTTP/1.1"
    exiting = threading.Event()
    outlived: list[bool] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        tokens = {"unit": "TOKENS", "amount": 100}
        if self.path.endswith("/commit"):
            self.exiting.wait(30)
            self.connection.settimeout(0.5)
            try:
                self.outlived.append(self.connection.recv(1) != b"")
            except TimeoutError:
                self.outlived.append(True)
            self.answer({"status": "COMMITTED", "charged": tokens})
        else:
            self.answer(
                {
                    "decision": "ALLOW",
                    "reservation_id": "r-1",
                    "affected_scopes": ["tenant:acme"],
                    "reserved": tokens,
                    "expires_at_ms": 4_000_000_000_000,
                    "remaining_ttl_ms": 60_000,
                }
            )

    def answer(self, body: dict[str, object]) -> None:
        encoded = json.dumps(body).encode()
        with contextlib.suppress(BrokenPipeError):
            self.send_response(200)
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("client", ["held", "forgotten"])
def test_settlements_under_way_are_waited_for_at_exit(script: Script, client: str) -> None:
    class Handler(SlowToCommit):
        exiting = threading.Event()
        outlived: list[bool] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as slow:
        serving = threading.Thread(target=slow.serve_forever)
        serving.start()
        source = f"""
import asyncio, atexit, gc
from runcycles import AsyncCyclesClient, CyclesConfig, cycles
atexit.register(print, "exiting", flush=True)
held = []

async def main():
    config = CyclesConfig("http://127.0.0.1:{slow.server_port}", "k", journal_enabled=False)
    client = AsyncCyclesClient(config)
    if {client!r} == "held":
        held.append(client)

    def actual(_):
        task.cancel()
        return 60

    @cycles(100, actual=actual, unit="TOKENS", tenant="acme", client=client)
    async def work(): pass

    task = asyncio.create_task(work())
    await asyncio.gather(task, return_exceptions=True)

asyncio.run(main())
gc.collect()
"""
        process = script(source)
        assert process.stdout is not None
        assert process.stdout.readline() == "exiting\n"
        Handler.exiting.set()
        finish(process)
        slow.shutdown()
        serving.join()
    assert Handler.outlived == [True]
