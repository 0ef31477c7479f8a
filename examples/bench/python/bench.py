"""What a guarded call costs in Python. See `cargo xtask bench`."""

import json
import os
from time import perf_counter_ns

from runcycles import CyclesClient, cycles
from runcycles.testing import TestServer

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
CALLS = int(os.environ.get("BENCH_CALLS", "1000"))
SEED = {"budgets": {"tenant:acme": "1_000_000_000 TOKENS"}}


def measure(client: CyclesClient) -> list[dict[str, float]]:
    """p50 and p99 of each run; the first run only warms up."""

    @cycles(10, unit="TOKENS", tenant="acme", client=client)
    def guarded() -> None:
        pass

    results = []
    for _ in range(RUNS + 1):
        times = []
        for _ in range(CALLS):
            start = perf_counter_ns()
            guarded()
            times.append(perf_counter_ns() - start)
        times.sort()
        results.append({"p50_us": times[CALLS // 2] / 1e3, "p99_us": times[CALLS * 99 // 100] / 1e3})
    return results[1:]


with CyclesClient.embedded(SEED) as client:
    embedded = measure(client)
with TestServer(SEED) as server, server.client() as client:
    http = measure(client)
print(json.dumps({"language": "python", "embedded": embedded, "http": http}))
