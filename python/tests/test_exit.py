"""The end of the process."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from processes import SERVE, Script, finish


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
