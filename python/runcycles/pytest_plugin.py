"""Fixtures for tests of budgeted code; pytest finds them once `runcycles` is installed.

```python
def test_the_agent_stops(cycles_server, cycles_client):
    with assert_denied("BUDGET_EXCEEDED"):
        run_agent()
    assert_spent(cycles_server, usd("1.00"))
```

Every test has a server and a ledger of its own. `@pytest.mark.cycles(budgets={…})`
or a `cycles_seed` fixture of your own says what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runcycles import AsyncCyclesClient, CyclesClient
    from runcycles.testing import ManualClock, TestServer


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers", "cycles(budgets): the budgets of `cycles_server`, such as {'tenant:acme': usd('0.10')}"
    )


@pytest.fixture
def cycles_seed(request: pytest.FixtureRequest) -> Any:
    """What is in the server: the budgets of `@pytest.mark.cycles`, else a dollar for `tenant:acme`.

    Override it with the document of `cycles serve --seed`, as a dict or YAML text.
    """
    marker = request.node.get_closest_marker("cycles")
    budgets = marker.kwargs.get("budgets") if marker is not None else None
    return {"budgets": budgets if budgets is not None else {"tenant:acme": "$1.00"}}


@pytest.fixture
def cycles_clock() -> ManualClock:
    """The clock of `cycles_server` and its clients: it moves when a test says so."""
    from runcycles.testing import ManualClock

    return ManualClock()


@pytest.fixture
def cycles_server(cycles_seed: Any, cycles_clock: ManualClock) -> Iterator[TestServer]:
    """A server over HTTP with a ledger of its own: `inject` faults, move `clock`, look at `budget`."""
    from runcycles.testing import TestServer

    with TestServer(cycles_seed, cycles_clock) as server:
        yield server


@pytest.fixture
def cycles_client(cycles_server: TestServer) -> Iterator[CyclesClient]:
    """A client of `cycles_server`, and for this test the default of guarded functions, async ones too.

    A call that names no tenant spends its first key's.
    """
    from runcycles.defaults import chosen_client, set_default_client

    before = chosen_client()
    with cycles_server.client() as client:
        set_default_client(client)
        try:
            yield client
        finally:
            set_default_client(before)


@pytest.fixture
def cycles_async_client(cycles_client: CyclesClient) -> AsyncCyclesClient:
    """`cycles_client` for async code."""
    return cycles_client.as_async()
