"""`dry_run=True` answers instead of running."""

from __future__ import annotations

from typing import Any

from conftest import CALL, balance

from runcycles import DryRunResult, cycles
from runcycles.testing import TestServer


def test_a_dry_run_answers_without_running(server: TestServer, transport: str) -> None:
    @cycles(100, **CALL, dry_run=True, client=server.client(transport=transport))
    def work() -> None:
        raise AssertionError("ran")

    result: Any = work()
    assert isinstance(result, DryRunResult)
    assert result.is_allowed()
    assert not result.has_caps()
    assert result.affected_scopes == ["tenant:acme"]
    assert balance(server) == (1000, 0, 0)


def test_a_dry_run_that_would_be_denied(server: TestServer) -> None:
    result: Any = cycles(1001, **CALL, dry_run=True, client=server.client())(lambda: None)()
    assert isinstance(result, DryRunResult)
    assert result.is_denied()
    assert result.reason_code == "BUDGET_EXCEEDED"
