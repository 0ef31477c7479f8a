"""Forked children start over."""

from __future__ import annotations

from processes import SERVE, Script, finish


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
