"""The core's messages reach `logging`, in batches and bounded."""

from __future__ import annotations

import logging

import pytest
from conftest import CALL

from runcycles import cycles, logs
from runcycles.testing import TestServer


def losing(server: TestServer, times: int = 1) -> None:
    """A commit that is not answered: the core has something to say."""
    server.inject("commit", "drop_before", times=times)
    cycles(1, **CALL, client=server.client())(lambda: None)()


def core_messages(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("runcycles.")]


def test_messages_come_with_their_module_and_fields(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    losing(server)
    messages = core_messages(caplog)
    assert messages, "nothing was said"
    assert all(record.levelno >= logging.WARNING for record in messages)
    assert any("reservation_id=res_" in record.getMessage() for record in messages)
    assert not any("cyc_test_acme" in record.getMessage() for record in messages), "no secrets"


def test_the_logger_s_level_when_a_client_is_made_decides(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, logger="runcycles"):
        losing(server)
    assert core_messages(caplog) == []
    with caplog.at_level(logging.DEBUG, logger="runcycles"):
        losing(server)
        assert core_messages(caplog)
    logs.follow_level()


def test_a_handler_that_uses_the_package_does_not_go_round_in_circles(server: TestServer) -> None:
    client = server.client()
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            client.get_balances(tenant="acme")

    logger, handler = logging.getLogger("runcycles"), Handler()
    logger.addHandler(handler)
    try:
        losing(server, times=2)
    finally:
        logger.removeHandler(handler)
    assert seen
