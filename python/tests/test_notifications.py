"""What happens in the background reaches whoever wants to know."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CALL

from runcycles import (
    AsyncCyclesClient,
    CyclesClient,
    CyclesConfig,
    CyclesProtocolError,
    Notification,
    ReservationExpiredError,
    cycles,
)
from runcycles.testing import ManualClock, TestServer

PATIENCE = 10


def lose_extension(server: TestServer) -> None:
    server.inject("extend", "status", status=410, code="RESERVATION_EXPIRED")


def test_a_lost_lease_is_told_while_the_work_goes_on(server: TestServer, clock: ManualClock) -> None:
    client = server.client()
    told: queue.Queue[tuple[Notification, str]] = queue.Queue()
    client.on_notification(lambda notification: told.put((notification, threading.current_thread().name)))
    lose_extension(server)

    @cycles(100, ttl_ms=5000, client=client, **CALL)
    def ask() -> list[tuple[Notification, str]]:
        clock.advance(2000)
        return [told.get(timeout=PATIENCE), told.get(timeout=PATIENCE)]

    (stopped, thread), (lost, _) = ask()
    assert thread == "runcycles-notifications"
    assert (stopped.kind, stopped.disposition) == ("heartbeat_failure", "stopped")
    assert isinstance(stopped.error, ReservationExpiredError)
    assert (lost.disposition, lost.error) == ("lost", None)
    assert lost.reservation_id == stopped.reservation_id
    assert lost.reason == "the authority refused the extension"
    client.close()


def test_late_settlements_are_told_and_a_failing_callback_hears_the_next(
    server: TestServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = server.client()
    told: queue.Queue[Notification] = queue.Queue()

    def callback(notification: Notification) -> None:
        told.put(notification)
        raise RuntimeError("a defect of the callback")

    client.on_notification(callback)
    server.inject("commit", "status", status=503)
    cycles(100, client=client, **CALL)(lambda: None)()
    pending = told.get(timeout=PATIENCE)
    assert (pending.kind, pending.outcome) == ("settlement", "pending")
    assert isinstance(pending.error, CyclesProtocolError)
    clock.advance(500)
    assert told.get(timeout=PATIENCE).outcome == "committed"
    client.close()
    assert "a notification callback failed kind=settlement" in caplog.text


def test_without_a_callback_they_can_be_taken(server: TestServer) -> None:
    client = server.client()
    assert client.notifications() == []
    server.inject("commit", "status", status=400)
    cycles(100, client=client, **CALL)(lambda: None)()
    [refused] = client.notifications()
    assert (refused.kind, refused.outcome) == ("settlement", "refused")
    assert client.notifications() == []


def test_async_clients_have_them_too(server: TestServer) -> None:
    async def main() -> str | None:
        client = server.async_client()
        told: asyncio.Queue[Notification] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        client.on_notification(lambda notification: loop.call_soon_threadsafe(told.put_nowait, notification))
        server.inject("commit", "status", status=400)

        @cycles(100, client=client, **CALL)
        async def ask() -> None:
            return None

        await ask()
        outcome = (await asyncio.wait_for(told.get(), PATIENCE)).outcome
        await client.aclose()
        return outcome

    assert asyncio.run(main()) == "refused"


def test_the_journal_can_be_looked_at(server: TestServer, tmp_path: Path) -> None:
    config = CyclesConfig(server.base_url, server.api_key(), journal_dir=tmp_path)
    with CyclesClient(config) as client:
        stats = client.journal_stats()
        assert stats is not None
        assert (stats.depth, stats.oldest_age_ms, stats.degraded) == (0, None, None)
        assert (stats.quarantined, stats.lost) == (0, 0)
        server.inject("commit", "status", status=401)
        cycles(100, client=client, **CALL)(lambda: None)()
        stats = client.journal_stats()
        assert stats is not None
        assert stats.depth == 1
        assert stats.oldest_age_ms is not None
    asyncio.run(AsyncCyclesClient(CyclesConfig("http://h", "k", journal_enabled=False)).aclose())
    assert AsyncCyclesClient(CyclesConfig("http://h", "k", journal_enabled=False)).journal_stats() is None


def test_a_listener_does_not_keep_the_process_or_disturb_its_end(script: Callable[[str], Any]) -> None:
    program = script(
        "from runcycles import CyclesClient, usd\n"
        "client = CyclesClient.embedded(budgets={'tenant:acme': usd('1.00')})\n"
        "client.on_notification(print)\n"
        "print('done')\n"
    )
    out, errors = program.communicate(timeout=60)
    assert (program.returncode, out, errors) == (0, "done\n", "")
