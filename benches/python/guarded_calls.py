"""What a durable guarded call costs; one source for the registry's `runcycles` 0.5.3 and for ours.

    guarded_calls.py BASE_URL API_KEY CALLS

Prints a JSON line for each way of calling: calls a second, CPU microseconds a call
(user and system, of this process), the highest number of threads, and for async ways
the event loop's lag. `embedded` is ours only. See `cargo xtask bench python`.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import runcycles
from runcycles import AsyncCyclesClient, CyclesClient, CyclesConfig, cycles

BASE_URL, API_KEY, CALLS = sys.argv[1], sys.argv[2], int(sys.argv[3])
OURS = hasattr(CyclesClient, "embedded")
WARM_UP = 50
IMPORTS = 7
LAG_TICK = 0.001
OPTIONS: dict[str, Any] = {
    "estimate": 10,
    "unit": "TOKENS",
    "tenant": "acme",
    "action_kind": "bench",
}


def config(synced: bool = False) -> CyclesConfig:
    """Durable in the sense of 0.5.3: a journal whose files survive the process, not the power.

    `synced` is our default, which survives both.
    """
    folder = tempfile.mkdtemp(prefix="cycles-bench-")
    ours: dict[str, Any] = {} if synced or not OURS else {"journal_sync": "process"}
    return CyclesConfig(
        base_url=BASE_URL, api_key=API_KEY, tenant="acme", journal_dir=folder, **ours
    )


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Measured:
    """From its begin to its end; `calls` guarded calls."""

    def __init__(self, way: str, in_flight: int, calls: int) -> None:
        self.row: dict[str, Any] = {"way": way, "in_flight": in_flight}
        self.calls = calls

    def __enter__(self) -> "Measured":
        self.cpu, self.start = cpu(), perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.row["cpu_us_per_call"] = round((cpu() - self.cpu) / self.calls * 1e6, 1)
        self.row["calls_per_second"] = round(self.calls / (perf_counter() - self.start))
        print(json.dumps({"package": runcycles.__version__, **self.row}), flush=True)


def sync_calls(client: Any, in_flight: int, way: str = "sync") -> None:
    @cycles(**OPTIONS, client=client)
    def guarded() -> None:
        pass

    for _ in range(WARM_UP):
        guarded()
    if in_flight == 1:
        with Measured(way, 1, CALLS):
            for _ in range(CALLS):
                guarded()
        return
    with (
        ThreadPoolExecutor(in_flight) as pool,
        Measured(way, in_flight, CALLS) as measured,
    ):
        futures = [pool.submit(guarded) for _ in range(CALLS)]
        measured.row["threads"] = threading.active_count()
        for future in futures:
            future.result()


async def async_calls(in_flight: int, synced: bool = False) -> None:
    async with AsyncCyclesClient(config(synced)) as client:

        @cycles(**OPTIONS, client=client)
        async def guarded() -> None:
            pass

        async def caller(count: int) -> None:
            for _ in range(count):
                await guarded()

        for _ in range(WARM_UP):
            await guarded()
        lags: list[float] = []
        probe = asyncio.ensure_future(watch_lag(lags))
        calls = CALLS // in_flight * in_flight
        with Measured(
            "async synced" if synced else "async", in_flight, calls
        ) as measured:
            await asyncio.gather(
                *(caller(calls // in_flight) for _ in range(in_flight))
            )
            probe.cancel()
            lags.sort()
            measured.row["lag_p99_ms"] = (
                round(lags[len(lags) * 99 // 100] * 1e3, 2) if lags else None
            )


async def watch_lag(lags: list[float]) -> None:
    """How much later than asked for the loop gets back to a task."""
    while True:
        start = perf_counter()
        await asyncio.sleep(LAG_TICK)
        lags.append(perf_counter() - start - LAG_TICK)


def imports() -> None:
    """The median of a few fresh interpreters, less what they take without it."""

    def took(code: str) -> float:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return perf_counter() - start

    names = "from runcycles import CyclesClient, CyclesConfig, cycles"
    spans = sorted(took(names) - took("pass") for _ in range(IMPORTS))
    print(
        json.dumps(
            {
                "package": runcycles.__version__,
                "way": "import",
                "ms": round(spans[IMPORTS // 2] * 1e3, 1),
            }
        )
    )


def main() -> None:
    os.environ.setdefault("HOME", tempfile.gettempdir())
    imports()
    for in_flight in (1, 8, 32):
        with CyclesClient(config()) as client:
            sync_calls(client, in_flight)
    for in_flight in (1, 32):
        asyncio.run(async_calls(in_flight))
    if OURS:
        with CyclesClient(config(synced=True)) as client:
            sync_calls(client, 1, "sync synced")
        asyncio.run(async_calls(32, synced=True))
        budget = {"scope": "tenant:acme", "unit": "TOKENS", "allocated": 10**12}
        seed = {
            "keys": [{"name": "bench", "secret": "k", "tenant_id": "acme"}],
            "budgets": [budget],
        }
        with CyclesClient.embedded(seed) as client:
            sync_calls(client, 1, "embedded")


main()
