"""Ctrl-C ends waiting, and loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from conftest import CALL, balance

from runcycles import (
    CyclesClient,
    CyclesConfig,
    _native,
    cycles,
)
from runcycles.testing import TestServer


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """A shell's background jobs are started with Ctrl-C switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_sync_wait() -> None:
    interrupter = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))

    def wait() -> None:
        interrupter.start()
        _native.wait_forever_for_test()

    with pytest.raises(KeyboardInterrupt):
        wait()
    interrupter.join()


def test_ctrl_c_ends_a_call_to_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def interrupt_when_called() -> None:
            connections.append(listener.accept()[0])
            os.kill(os.getpid(), signal.SIGINT)

        interrupter = threading.Thread(target=interrupt_when_called)
        interrupter.start()
        client = CyclesClient(
            CyclesConfig(f"http://127.0.0.1:{listener.getsockname()[1]}", "k", read_timeout=60.0)
        )
        with pytest.raises(KeyboardInterrupt):
            client.get_balances(tenant="acme")
        interrupter.join()
        for connection in connections:
            connection.close()


def test_ctrl_c_in_the_function_releases(server: TestServer) -> None:
    @cycles(100, **CALL, client=server.client())
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert balance(server) == (1000, 0, 0)
