"""Forked children start over."""

from __future__ import annotations

import multiprocessing

import pytest
from processes import SERVE, Script, finish

from runcycles import CyclesClient, CyclesConfig
from runcycles.testing import TestServer


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


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_workers_guard_their_own_calls(server: TestServer, method: str) -> None:
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        spent = pool.starmap(spend_in_worker, [(server.base_url, server.api_key())] * 4)
    assert spent == [5] * 4
    assert server.budget("tenant:acme", "TOKENS")["spent"] == 20


def spend_in_worker(url: str, key: str) -> int:
    config = CyclesConfig(url, key, tenant="acme", journal_enabled=False)
    with CyclesClient(config) as client, client.reserve(5, unit="TOKENS") as held:
        return held.estimate


def test_a_subinterpreter_is_refused_with_a_reason(script: Script) -> None:
    source = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import runcycles  # in the main interpreter all is well
run = getattr(interpreters, "run_string")
try:
    failed = run(interpreters.create(), "import runcycles")
    text = str(failed.msg) if failed is not None else "nothing"
except Exception as error:
    text = str(error)
print("subinterpreter" in text and "main interpreter" in text, text)
"""
    assert finish(script(source)).startswith("True")
