"""`python -m runcycles doctor`: whether guarded calls will work from here, and what to do where not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from runcycles.client import CyclesClient
from runcycles.config import CyclesConfig
from runcycles.enums import Unit
from runcycles.exceptions import CyclesConfigError, CyclesValidationError
from runcycles.options import known_unit
from runcycles.response import CyclesResponse

_LIMIT = "100"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    verdict: Literal["ok", "warning", "problem"]
    what: str
    advice: str | None = None


def main(arguments: Sequence[str], out: TextIO) -> int:
    """Runs the command; answers 0 where nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m runcycles")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check server, key, budget and unit")
    doctor.add_argument(
        "--unit", default=Unit.USD_MICROCENTS.value, help="the unit that your calls estimate in"
    )
    doctor.add_argument("--prefix", default="CYCLES_", help="of the environment variables")
    given = parser.parse_args(arguments)
    healthy = True
    for finding in examine(given.prefix, given.unit):
        mark = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}[finding.verdict]
        out.write(f"{mark}  {finding.what}\n")
        if finding.advice is not None:
            out.write(f"         -> {finding.advice}\n")
        healthy = healthy and finding.verdict != "problem"
    out.write("guarded calls will work\n" if healthy else "guarded calls will not work yet\n")
    return 0 if healthy else 1


def examine(prefix: str = "CYCLES_", unit: str = Unit.USD_MICROCENTS.value) -> Iterator[Finding]:
    """Looks at everything in order, and stops at what makes the rest pointless."""
    try:
        unit = known_unit(unit)
        config = CyclesConfig.from_env(prefix)
        client = CyclesClient(config)
    except CyclesValidationError as error:
        yield Finding("problem", f"unit: {error}", "pass one of these to --unit, and to your calls")
        return
    except CyclesConfigError as error:
        yield Finding(
            "problem",
            f"settings: {error}",
            f"set {prefix}BASE_URL (such as http://127.0.0.1:7878), {prefix}API_KEY and {prefix}TENANT",
        )
        return
    with client:
        yield Finding("ok", f"settings: {config.base_url}, tenant {config.tenant or 'of the key'}")
        yield from _server(client, config, prefix, unit)
        yield from _journal(client)


def _server(client: CyclesClient, config: CyclesConfig, prefix: str, unit: str) -> Iterator[Finding]:
    # A page of reservations needs no subject: it tells whose the key is.
    answer = client.list_reservations(limit="1")
    for check in (_reached, _allowed):
        finding = check(answer, config, prefix)
        yield finding
        if finding.verdict == "problem":
            return
    tenant = config.tenant or answer.cycles_tenant
    if tenant is None:
        yield Finding("problem", "tenant: neither the settings nor the key name one", f"set {prefix}TENANT")
        return
    yield from _budgets(client, tenant, unit)


Check = Callable[[CyclesResponse, CyclesConfig, str], Finding]


def _reached(answer: CyclesResponse, config: CyclesConfig, prefix: str) -> Finding:
    if answer.is_transport_error:
        return Finding(
            "problem",
            f"server: {answer.error_message}",
            f"start one with `cycles serve`, or correct {prefix}BASE_URL; "
            "for a private certificate set CYCLES_CA_FILE",
        )
    if answer.is_server_error or (answer.body is None and not answer.is_success):
        return Finding(
            "problem",
            f"server: {config.base_url} answers {answer.status} {answer.error_message or ''}".rstrip(),
            "that is no healthy Cycles server: look at its log, or at what stands in front of it",
        )
    return Finding("ok", "server: answers")


def _allowed(answer: CyclesResponse, config: CyclesConfig, prefix: str) -> Finding:
    if answer.status == 401:
        return Finding(
            "problem",
            f"key: refused: {answer.error_message}",
            f"{prefix}API_KEY is not a key of this server, or was revoked: make one, and set it",
        )
    if answer.status == 403:
        return Finding(
            "problem",
            f"key: not allowed: {answer.error_message}",
            "give the key the permissions reservations:create, reservations:commit, reservations:release, "
            "reservations:extend, reservations:list and balances:read",
        )
    if not answer.is_success:
        return Finding("problem", f"key: {answer.error_message}", "see docs/connecting.md")
    key_tenant = answer.cycles_tenant
    if config.tenant is not None and key_tenant is not None and key_tenant != config.tenant:
        return Finding(
            "problem",
            f"key: belongs to tenant {key_tenant}, but {prefix}TENANT is {config.tenant}",
            f"set {prefix}TENANT={key_tenant}, or use a key of {config.tenant}",
        )
    return Finding("ok", f"key: accepted{f', of tenant {key_tenant}' if key_tenant else ''}")


def _budgets(client: CyclesClient, tenant: str, unit: str) -> Iterator[Finding]:
    answer = client.get_balances(tenant=tenant, include_children="true", limit=_LIMIT)
    if not answer.is_success:
        yield Finding("problem", f"budgets: {answer.error_message}", "give the key balances:read")
        return
    balances: list[dict[str, Any]] = answer.get_body_attribute("balances") or []
    if not balances:
        yield Finding(
            "problem",
            f"budgets: tenant {tenant} has none, so every call is refused",
            f"create one: scope tenant:{tenant}, unit {unit} (docs/seed.md)",
        )
        return
    fitting = [balance for balance in balances if balance["remaining"]["unit"] == unit]
    if not fitting:
        others = ", ".join(sorted({balance["remaining"]["unit"] for balance in balances}))
        yield Finding(
            "problem",
            f"unit: no budget of {tenant} counts {unit}; they count {others}",
            f"pass unit= to your calls, or create a budget in {unit}",
        )
        return
    yield Finding("ok", f"unit: {unit}")
    for balance in fitting:
        yield _budget(balance, unit)


def _budget(balance: dict[str, Any], unit: str) -> Finding:
    remaining, scope = balance["remaining"]["amount"], balance["scope"]
    allocated = (balance.get("allocated") or {}).get("amount")
    what = f"budget: {scope} has {remaining} {unit} left{f' of {allocated}' if allocated is not None else ''}"
    if balance.get("is_over_limit"):
        return Finding(
            "problem", f"{what}, and is over its overdraft limit", "repay its debt, or raise the limit"
        )
    if remaining <= 0:
        return Finding("problem", what, "fund it: calls are refused until then")
    return Finding("ok", what)


def _journal(client: CyclesClient) -> Iterator[Finding]:
    stats = client.journal_stats()
    if stats is None:
        yield Finding(
            "warning",
            "journal: off",
            "spend is lost when this process dies before it is booked; journal_enabled",
        )
    elif stats.degraded is not None:
        yield Finding(
            "warning", f"journal: {stats.degraded}", "set CYCLES_JOURNAL_DIR to a folder it can write"
        )
    else:
        yield Finding("ok", "journal: can be written")
