"""What the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runcycles import set_default_client, set_default_config
from runcycles.testing import ManualClock, TestServer

PACKAGE = Path(__file__).resolve().parents[1]

SEED = {
    "tenants": [{"tenant_id": "acme"}],
    "keys": [{"name": "default", "secret": "cyc_test_acme", "tenant_id": "acme"}],
    "budgets": [{"scope": "tenant:acme", "unit": "TOKENS", "allocated": 1000}],
}
CALL = {"unit": "TOKENS", "tenant": "acme", "action_kind": "llm.completion", "action_name": "test-model"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(clock: ManualClock) -> Iterator[TestServer]:
    with TestServer(SEED, clock) as server:
        yield server


@pytest.fixture(params=["http", "local"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def _no_default_client() -> Iterator[None]:
    yield
    set_default_client(None)
    set_default_config(None)


@pytest.fixture
def script() -> Callable[[str], subprocess.Popen[str]]:
    """Starts a program in a fresh interpreter that finds the package under test."""

    def start(source: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", source],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def balance(server: TestServer) -> tuple[int, int, int]:
    """Remaining, reserved and spent of the seed's budget."""
    state = server.budget("tenant:acme", "TOKENS")
    return state["remaining"], state["reserved"], state["spent"]
