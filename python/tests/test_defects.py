"""What was wrong in `runcycles` 0.5, each with the number of its report."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CALL, SEED, balance
from processes import SERVE, Script, finish

from runcycles import (
    BudgetExceededError,
    Caps,
    CyclesConfig,
    CyclesConfigError,
    CyclesProtocolError,
    CyclesResponse,
    ReservationFinalizedError,
    cycles,
    get_cycles_context,
    set_default_config,
)
from runcycles.testing import TestServer


def test_3_error_bodies_keep_request_id_and_details(server: TestServer) -> None:
    client = server.client()
    with pytest.raises(BudgetExceededError) as caught:
        cycles(1001, **CALL, client=client)(lambda: None)()
    assert caught.value.request_id
    assert caught.value.details is not None
    assert caught.value.details["scope"] == "tenant:acme"
    body = {"error": "NOT_FOUND", "message": "m", "request_id": "r", "trace_id": "t", "cycles_evidence": None}
    response = CyclesResponse.http_error(404, "m", body)
    error = response.get_error_response()
    assert error is not None
    assert (error.request_id, error.trace_id) == ("r", "t")


def test_3_a_commit_of_what_is_finalized_is_not_repeated(server: TestServer) -> None:
    client = server.client()
    with client.reserve(10, **CALL) as held:
        server.inject("commit", "status", status=409, code="RESERVATION_FINALIZED", times=2)
        settled = held.commit()
    assert isinstance(settled.error, ReservationFinalizedError)
    assert client.flush() == 0
    assert len(server.pending_faults()) == 1, "the commit was sent once"
    server.clear_faults()


def test_4_an_empty_allowlist_restricts_nothing() -> None:
    assert Caps(tool_allowlist=[]).is_tool_allowed("search")


def test_5_refused_spend_is_booked_without_a_restart(tmp_path: Path) -> None:
    with TestServer(SEED) as server:
        client = server.client(config={"journal_dir": str(tmp_path)})
        server.inject("commit", "status", status=401, code="UNAUTHORIZED")
        cycles(10, **CALL, client=client)(lambda: None)()
        client.set_api_key(server.api_key())
        server.wait_for("commit", 1)
        assert balance(server) == (990, 0, 10)


def test_12_a_guarded_call_starts_no_thread(server: TestServer) -> None:
    seen: list[int] = []
    guarded = cycles(1, **CALL, client=server.client())(lambda: seen.append(threading.active_count()))
    before = threading.active_count()
    guarded()
    assert seen == [before]


@pytest.mark.skipif(os.name == "nt", reason="the home directory is not in HOME there")
def test_13_a_home_that_does_not_resolve_is_no_reason_to_fail(script: Script) -> None:
    """As in a container with a random user id."""
    source = (
        SERVE
        + """
import logging
from runcycles import CyclesConfig
logging.disable(logging.CRITICAL)
os.environ.pop("HOME", None)
if os.getuid() == 0:
    os.setuid(54321)
remote = CyclesClient(CyclesConfig(server.base_url, server.api_key(), tenant="acme", retry_flush_timeout=1))
print(cycles(1, unit="TOKENS", client=remote)(lambda: "ran")())
print(server.budget("tenant:acme", "TOKENS")["spent"])
"""
    )
    assert finish(script(source)) == "ran\n1"


def test_14_an_inner_guard_restores_the_outer_context(server: TestServer) -> None:
    client = server.client()
    inner = cycles(1, **CALL, client=client)(get_cycles_context)

    @cycles(2, **CALL, client=client)
    def outer() -> bool:
        mine = get_cycles_context()
        return inner() is not mine and get_cycles_context() is mine

    assert outer()


def test_15_a_generator_is_not_committed_before_its_first_item(server: TestServer) -> None:
    @cycles(10, **CALL, client=server.client())
    def items() -> Iterator[int]:
        yield server.count("commit")

    assert list(items()) == [0]


async def test_16_the_first_call_does_not_decide_for_all(server: TestServer, tmp_path: Path) -> None:
    set_default_config(CyclesConfig(server.base_url, server.api_key(), tenant="acme", journal_dir=tmp_path))

    @cycles(1, unit="TOKENS")
    def one() -> int:
        return 1

    @cycles(1, unit="TOKENS")
    async def two() -> int:
        return 2

    assert one() + await two() + one() == 4
    set_default_config(None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("JOURNAL_ENABLED", "1", {"journal_enabled": True}),
        ("JOURNAL_ENABLED", "false", {"journal_enabled": False}),
        ("CONNECT_TIMEOUT", "2", {"connect_timeout": 2.0}),
        ("CONNECT_TIMEOUT_MS", "2000", {"connect_timeout": 2.0}),
        ("RETRY_MAX_ATTEMPTS", "abc", None),
        ("RETRY_ENABLED", "maybe", None),
    ],
)
def test_17_variables_mean_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: dict[str, Any] | None
) -> None:
    monkeypatch.setenv("CYCLES_BASE_URL", "http://localhost")
    monkeypatch.setenv("CYCLES_API_KEY", "k")
    monkeypatch.setenv(f"CYCLES_{name}", text)
    if expected is None:
        with pytest.raises(CyclesConfigError, match=f"CYCLES_{name}"):
            CyclesConfig.from_env()
        return
    config = CyclesConfig.from_env()
    assert {field: getattr(config, field) for field in expected} == expected


def test_18_answers_with_new_fields_are_answers(server: TestServer) -> None:
    body = '{"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 10}, "novel": {"a": 1}}'
    server.inject("commit", "malformed", body=body)
    with server.client().reserve(10, **CALL) as held:
        pass
    assert held.settlement is not None
    assert held.settlement.outcome == "committed"
    assert isinstance(held.settlement.error, CyclesProtocolError | None)
