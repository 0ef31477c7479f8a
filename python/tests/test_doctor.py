"""`python -m runcycles doctor` finds what keeps guarded calls from working."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SEED
from processes import Script, finish

from runcycles.doctor import main
from runcycles.testing import TestServer

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    def examine(url: str, key: str = "cyc_test_acme", *arguments: str, **variables: str) -> tuple[int, str]:
        settings = {"BASE_URL": url, "API_KEY": key, "JOURNAL_DIR": str(tmp_path), **variables}
        for name, value in settings.items():
            monkeypatch.setenv(f"CYCLES_{name}", value)
        out = io.StringIO()
        return main(["doctor", *arguments], out), out.getvalue()

    return examine


def test_a_healthy_setup(server: TestServer, doctor: Doctor) -> None:
    code, said = doctor(server.base_url, "cyc_test_acme", "--unit", "TOKENS")
    assert code == 0, said
    assert "budget: tenant:acme has 1000 TOKENS left of 1000" in said
    assert "key: accepted, of tenant acme" in said
    assert said.endswith("guarded calls will work\n")


@pytest.mark.parametrize(
    ("change", "problem", "advice"),
    [
        ({"key": "cyc_test_nobody"}, "key: refused", "make one, and set it"),
        ({}, "no budget of acme counts USD_MICROCENTS; they count TOKENS", "pass unit="),
        ({"unit": "token"}, "did you mean TOKENS", "--unit"),
        ({"TENANT": "other"}, "belongs to tenant acme, but CYCLES_TENANT is other", "CYCLES_TENANT=acme"),
        ({"BASE_URL": "localhost"}, "base_url must start with http", "set CYCLES_BASE_URL"),
        ({"READ_TIMEOUT": "soon"}, "CYCLES_READ_TIMEOUT", "set CYCLES_BASE_URL"),
    ],
)
def test_what_is_wrong_and_what_to_do(
    server: TestServer, doctor: Doctor, change: dict[str, Any], problem: str, advice: str
) -> None:
    arguments = ["--unit", change.pop("unit")] if "unit" in change else []
    key = change.pop("key", "cyc_test_acme")
    code, said = doctor(server.base_url, key, *arguments, **change)
    assert code == 1
    assert problem in said
    assert advice in said
    assert said.count("PROBLEM") == 1
    assert "cyc_test" not in said, "no secrets"


def test_budgets_that_are_missing_or_used_up(doctor: Doctor) -> None:
    with TestServer({**SEED, "budgets": []}) as server:
        code, said = doctor(server.base_url)
        assert (code, "tenant acme has none" in said) == (1, True)
    budgets = [{"scope": "tenant:acme", "unit": "TOKENS", "allocated": 0}]
    with TestServer({**SEED, "budgets": budgets}) as server:
        code, said = doctor(server.base_url, "cyc_test_acme", "--unit", "TOKENS")
        assert (code, "fund it" in said) == (1, True)


def test_no_server_or_another_one(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, said = doctor(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert code == 1
    assert "start one with `cycles serve`" in said


def test_a_journal_that_is_off_is_a_warning(server: TestServer, doctor: Doctor) -> None:
    code, said = doctor(server.base_url, "cyc_test_acme", "--unit", "TOKENS", JOURNAL_ENABLED="false")
    assert code == 0
    assert "warning  journal: off" in said


def test_it_runs_as_a_module(script: Script) -> None:
    source = """
import runpy, sys
sys.argv = ["runcycles", "--help"]
runpy.run_module("runcycles", run_name="__main__")
"""
    assert "doctor" in finish(script(source))
