"""Programs in interpreters of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

Script = Callable[[str], "subprocess.Popen[str]"]

SERVE = """
import asyncio, os, sys
from runcycles import CyclesClient, CyclesError, cycles, set_default_client
from runcycles.testing import TestServer
server = TestServer({
    "tenants": [{"tenant_id": "acme"}],
    "keys": [{"name": "default", "secret": "cyc_test_acme", "tenant_id": "acme"}],
    "budgets": [{"scope": "tenant:acme", "unit": "TOKENS", "allocated": 100000}],
})
client = server.client()
set_default_client(client)
guarded = cycles(1, unit="TOKENS", tenant="acme")
"""


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def finish(process: subprocess.Popen[str]) -> str:
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, f"exit code {process.returncode}\n{err}"
    return out.strip()


async def awaited(start: Callable[[], Any]) -> Any:
    return await start()
