"""Faults that users' tests inject, as Python spells them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import CALL, balance

from runcycles import CyclesClient, CyclesProtocolError, CyclesTransportError, CyclesValidationError, cycles
from runcycles.testing import ManualClock, TestServer


def guarded(client: CyclesClient) -> str:
    @cycles(100, actual=lambda _reply: 60, client=client, **CALL)
    def ask() -> str:
        return "an answer"

    return ask()


def test_a_lost_answer_is_charged_once(server: TestServer, clock: ManualClock) -> None:
    client = server.client()
    server.inject("commit", "drop_after")  # applied, but the agent never hears of it

    @cycles(100, actual=lambda _reply: 60, unit="TOKENS", tenant="acme", client=client)
    def agent() -> str:
        return "an answer"

    assert agent() == "an answer"
    clock.advance(500)  # the first repeat is due within half a second
    server.wait_for("commit", 2)  # the lost answer, and the repeat's
    assert server.budget("tenant:acme", "TOKENS")["spent"] == 60
    assert server.pending_faults() == []


def test_every_kind(server: TestServer, transport: str) -> None:
    client = server.client(transport=transport)
    event = {
        "subject": {"tenant": "acme"},
        "action": {"kind": "llm.completion", "name": "test-model"},
        "actual": {"unit": "TOKENS", "amount": 1},
    }
    server.inject("create_event", "drop_before")
    server.inject("create_event", "status", status=429, retry_after_ms=1500)
    server.inject("create_event", "status", status=409, code="DEBT_OUTSTANDING")
    server.inject("create_event", "malformed", body="<html>")

    lost = client.create_event(event)
    assert lost.is_transport_error
    throttled = client.create_event(event)
    assert throttled.status == 429
    assert throttled.retry_after_ms_header == 2000
    assert client.create_event(event).status == 409
    assert balance(server) == (1000, 0, 0)
    assert not isinstance(client.create_event(event).body, dict)
    assert balance(server) == (999, 0, 1)
    assert client.create_event(event).status == 201


def test_a_refused_create_is_a_typed_error(server: TestServer, transport: str) -> None:
    server.inject("create_reservation", "status", status=503, times=2)
    with pytest.raises(CyclesProtocolError) as refused:
        guarded(server.client(transport=transport))
    assert refused.value.code == "INTERNAL_ERROR"


def test_a_lost_create_is_a_transport_error(server: TestServer, transport: str) -> None:
    server.inject("create_reservation", "drop_before", times=2)
    with pytest.raises(CyclesTransportError):
        guarded(server.client(transport=transport))
    assert server.count("create_reservation") == 0


def test_pending_faults_can_be_waited_for_and_cleared(server: TestServer) -> None:
    server.inject("commit", "drop_after", times=2, skip=1)
    server.inject("extend", "delay", delay_ms=1000)
    assert server.pending_faults() == [
        {"operation": "commit", "kind": "drop_after", "times": 2, "skip": 1},
        {"operation": "extend", "kind": "delay", "times": 1, "skip": 0, "delay_ms": 1000},
    ]
    with pytest.raises(TimeoutError, match="drop_after"):
        server.wait_for_faults("commit", timeout_ms=1)
    server.wait_for_faults("release")
    server.clear_faults()
    assert server.pending_faults() == []
    assert guarded(server.client()) == "an answer"


@pytest.mark.parametrize(
    ("operation", "kind", "options", "said"),
    [
        ("comit", "drop_after", {}, "create_reservation, commit, release"),
        ("commit", "explode", {}, "drop_before"),
        ("commit", "status", {}, "needs status"),
        ("commit", "status", {"status": 200}, "400 to 599"),
        ("commit", "status", {"status": 503, "code": "NOPE"}, "BUDGET_EXCEEDED"),
        ("commit", "drop_after", {"status": 503}, "field=status"),
        ("commit", "delay", {"delay_ms": -1}, "delay_ms"),
        ("commit", "drop_after", {"times": 0}, "times=0"),
        ("commit", "drop_after", {"times": "two"}, "times"),
    ],
)
def test_a_fault_that_could_not_fire_is_refused(
    server: TestServer, operation: str, kind: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(CyclesValidationError, match=said):
        server.inject(operation, kind, **options)
    assert server.pending_faults() == []
