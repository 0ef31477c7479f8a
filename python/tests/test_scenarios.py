"""The behaviour suite: every scenario over both transports, sync and async."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scenarios import FILES, Runner, assert_subset, exceptions, load, run_now

from runcycles.testing import ManualClock, TestServer

SKIPPED = exceptions()


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("transport", ["http", "local"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path, transport: str, flavour: str) -> None:
    if path.stem in SKIPPED:
        pytest.skip(f"SKIP {path.stem}: {SKIPPED[path.stem]}")
    scenario = load(path)
    clock = ManualClock()
    with TestServer(scenario["seed"], clock) as server:
        runner = Runner(server, clock, transport, flavour)
        drive = asyncio.run if flavour == "async" else run_now
        drive(runner.steps(scenario["steps"]))
        assert server.pending_faults() == [], "faults have not fired"


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 12


@pytest.mark.parametrize(
    "steps",
    [
        [{"advance": 1}],
        [{"advance_ms": 1, "expect": {}}],
        [{"call": {"operation": "decide", "body": {}, "header": {}}}],
        [{"call": {"operation": "decide", "body": {}}, "expect": {"state": 200}}],
        [{"call": {"operation": "decide", "body": {}}, "expect": {"status": 200}}],
        [{"guard": {"request": {"estimate": {"unit": "TOKENS", "amount": 1}, "ttl": 1}}}],
        [{"guard": {"request": {"estimate": {"unit": "TOKENS", "amount": 1}}}, "expect": {"runs": True}}],
        [{"budgets": [{"scope": "tenant:acme", "unit": "TOKENS", "left": 1000}]}],
        [{"budgets": [{"scope": "tenant:acme", "unit": "TOKENS", "remaining": 999}]}],
    ],
    ids=str,
)
def test_the_runner_can_fail(steps: list[dict[str, object]], server: TestServer, clock: ManualClock) -> None:
    with pytest.raises(AssertionError):
        run_now(Runner(server, clock, "local", "sync").steps(steps))


def test_lists_of_a_body_have_equal_length() -> None:
    assert_subset({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3})
    with pytest.raises(AssertionError):
        assert_subset({"a": []}, {"a": [1]})
