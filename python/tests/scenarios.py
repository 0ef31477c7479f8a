"""Runs the behaviour suite of `tests/scenarios`, which every language runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import yaml

from runcycles import Amount, CyclesError, CyclesValidationError, DryRunResult, cycles, get_cycles_context
from runcycles.testing import ManualClock, TestServer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUITE = Path(__file__).resolve().parents[2] / "tests"
LANGUAGE = "python"
FILES = sorted((SUITE / "scenarios").glob("*.yaml"))

_SUBJECT_FIELDS = ("tenant", "workspace", "app", "workflow", "agent", "toolset", "dimensions")
_METHODS = {
    "create_reservation": "create_reservation",
    "commit": "commit_reservation",
    "release": "release_reservation",
    "extend": "extend_reservation",
    "decide": "decide",
    "create_event": "create_event",
    "get_balances": "get_balances",
    "list_reservations": "list_reservations",
    "get_reservation": "get_reservation",
}


def load(path: Path) -> dict[str, Any]:
    scenario = yaml.safe_load(path.read_text())
    only(scenario, "id", "title", "seed", "steps")
    assert scenario["id"] == path.stem, f"the id is not the file's name: {path}"
    return scenario


def exceptions() -> dict[str, str]:
    """The ids that this language does not run, each with its reason."""
    declared = tomllib.loads((SUITE / "parity.toml").read_text()).get("exception", [])
    known = {path.stem for path in FILES}
    for entry in declared:
        only(entry, "scenario", "language", "reason")
        assert entry["scenario"] in known, f"an exception for an unknown scenario: {entry}"
    return {entry["scenario"]: entry["reason"] for entry in declared if entry["language"] == LANGUAGE}


def only(mapping: dict[str, Any], *known: str) -> None:
    """A key that nobody reads is a test that cannot fail."""
    unknown = set(mapping) - set(known)
    assert not unknown, f"unknown keys: {sorted(unknown)}"


def run_now(steps: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that never waits: the suite's sync flavour."""
    try:
        steps.send(None)
    except StopIteration:
        return
    raise AssertionError("a sync step waited")


class Raised(Exception):
    """What a guarded function of the suite raises."""


class Runner:
    """One scenario over one transport, with sync or async code."""

    def __init__(self, server: TestServer, clock: ManualClock, transport: str, flavour: str) -> None:
        self.server = server
        self.clock = clock
        self.transport = transport
        self.asynchronous = flavour == "async"
        self.saved: dict[str, Any] = {}
        self.clients: dict[str | None, Any] = {}

    async def steps(self, steps: list[dict[str, Any]]) -> None:
        runners: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
            "guard": self.guard,
            "stream": self.stream,
            "call": self.call,
            "advance_ms": self.advance,
            "wait_for": self.wait_for,
            "fault": self.fault,
            "wait_for_faults": self.wait_for_faults,
            "budgets": self.budgets,
        }
        for step in steps:
            kinds = [kind for kind in step if kind in runners]
            assert len(kinds) == 1, f"a step is one of {list(runners)}: {step}"
            kind = kinds[0]
            extras = {"guard": ("expect",), "stream": ("expect",), "call": ("expect", "save")}.get(kind, ())
            only(step, kind, *extras)
            await runners[kind](step[kind], **{name: step[name] for name in extras if name in step})

    def client(self, key: str | None) -> Any:
        if key not in self.clients:
            make = self.server.async_client if self.asynchronous else self.server.client
            self.clients[key] = make(key, self.transport)
        return self.clients[key]

    # --- steps ---------------------------------------------------------------

    async def advance(self, ms: int) -> None:
        self.clock.advance(ms)

    async def wait_for(self, wait: dict[str, Any]) -> None:
        only(wait, "operation", "count")
        self.server.wait_for(wait["operation"], wait["count"])

    async def fault(self, fault: dict[str, Any]) -> None:
        self.server.inject(**fault)

    async def wait_for_faults(self, operation: str) -> None:
        self.server.wait_for_faults(operation)

    async def budgets(self, expected: list[dict[str, Any]]) -> None:
        for budget in expected:
            state = self.server.budget(budget["scope"], budget["unit"])
            wanted = {name: value for name, value in budget.items() if name not in ("scope", "unit")}
            only(wanted, *state)
            assert {name: state[name] for name in wanted} == wanted, budget["scope"]

    async def call(
        self, call: dict[str, Any], expect: dict[str, Any] | None = None, save: dict[str, str] | None = None
    ) -> None:
        only(call, "key", "operation", "reservation_id", "query", "body")
        only(expect or {}, "status", "body")
        response = await self.send(self.substituted(call))
        if expect:
            expect = self.substituted(expect)
            if "status" in expect:
                assert response.status == expect["status"], (call, response)
            if "body" in expect:
                assert_subset(expect["body"], response.body)
        for name, path in (save or {}).items():
            value: Any = response.body
            for part in path.split("."):
                value = value[part]
            self.saved[name] = value

    async def send(self, call: dict[str, Any]) -> Any:
        client, operation, query = self.client(call.get("key")), call["operation"], call.get("query", {})
        if operation == "get_balances" and not query:
            # The method refuses this before it is sent; the authority must too.
            answer = client._send(operation)
        else:
            given = [call[name] for name in ("reservation_id", "body") if name in call]
            answer = getattr(client, _METHODS[operation])(*given, **query)
        return await answer if self.asynchronous else answer

    async def guard(self, guard: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        only(guard, "key", "request", "actual", "raises", "during")
        expect = expect or {}
        only(expect, "ran", "error", "raised", "decision")
        outer = get_cycles_context()
        seen: dict[str, Any] = {"ran": False, "error": None, "raised": None, "decision": None}

        async def work() -> str:
            context = get_cycles_context()
            assert context is not None
            seen.update(ran=True, decision=context.decision)
            await self.steps(guard.get("during", []))
            if "raises" in guard:
                raise Raised(guard["raises"])
            return "result"

        try:
            result = await self.guarded(guard, work)
            if isinstance(result, DryRunResult):
                seen["decision"] = result.decision
            else:
                assert result == "result"
        except CyclesError as error:
            refused_here = isinstance(error, CyclesValidationError)
            seen["error"] = error.code or ("VALIDATION" if refused_here else type(error).__name__)
        except Raised as error:
            seen["raised"] = str(error)
        assert get_cycles_context() is outer, "the call did not restore the context"
        wanted = {"ran": True, "error": None, "raised": None, **expect}
        assert {name: seen[name] for name in wanted} == wanted

    async def guarded(self, guard: dict[str, Any], work: Callable[[], Coroutine[Any, Any, str]]) -> Any:
        options = decorator_options(self.substituted(guard["request"]))
        if "actual" in guard:
            options["actual"] = lambda _result: guard["actual"]
        decorate = cycles(**options, client=self.client(guard.get("key")))
        if self.asynchronous:
            return await decorate(work)()

        def work_now() -> str:
            results: list[str] = []

            async def keep() -> None:
                results.append(await work())

            run_now(keep())
            return results[0]

        return decorate(work_now)()

    async def stream(self, step: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
        only(step, "key", "request", "on_limit", "extend_by", "pieces", "actual", "raises", "during")
        expect = expect or {}
        only(expect, "pieces", "cut", "refused", "error", "raised")
        outer, pieces = get_cycles_context(), step.get("pieces", [])
        seen: dict[str, Any] = {"pieces": 0, "cut": False, "refused": None, "error": None, "raised": None}
        try:
            stream = self.client(step.get("key")).stream_reservation(**self.stream_options(step))
            if self.asynchronous:
                async with stream:
                    await self.flow(stream, step, seen)
            else:
                with stream:
                    run_now(self.flow(stream, step, seen))
        except CyclesError as error:
            seen["error"] = error.code
        except Raised as error:
            seen["raised"] = str(error)
        assert get_cycles_context() is outer, "the stream did not restore the context"
        usual = {"pieces": len(pieces) if seen["error"] is None else 0, "cut": False}
        wanted = {**usual, "refused": None, "error": None, "raised": None, **expect}
        assert {name: seen[name] for name in wanted} == wanted

    def stream_options(self, step: dict[str, Any]) -> dict[str, Any]:
        request = self.substituted(step["request"])
        only(request, "subject", "action", "estimate", "overage_policy", "ttl_ms", "nested")
        limits = {name: step[name] for name in ("on_limit", "extend_by") if name in step}
        return {**request, **limits, "estimate": Amount.model_validate(request["estimate"])}

    async def flow(self, stream: Any, step: dict[str, Any], seen: dict[str, Any]) -> None:
        for tokens in step.get("pieces", []):
            flows = stream.proceed()
            if not (await flows if self.asynchronous else flows):
                break
            stream.usage.add_output_tokens(tokens)
            seen["pieces"] += 1
        await self.steps(step.get("during", []))
        if "actual" in step:
            stream.usage.set_actual_cost(step["actual"])
        seen["cut"] = stream.is_cut
        if stream.limit_error is not None:
            seen["refused"] = stream.limit_error.code
        if "raises" in step:
            raise Raised(step["raises"])

    def substituted(self, value: Any) -> Any:
        """`$name` becomes what an earlier step saved; whole strings only."""
        if isinstance(value, dict):
            return {name: self.substituted(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.substituted(item) for item in value]
        if isinstance(value, str) and value.startswith("$"):
            return self.saved[value[1:]]
        return value


def decorator_options(request: dict[str, Any]) -> dict[str, Any]:
    """A guard request in the words of `@cycles`."""
    simple = ("ttl_ms", "grace_period_ms", "overage_policy", "dry_run", "nested")
    only(request, "subject", "action", "estimate", *simple)
    subject, action, estimate = request.get("subject", {}), request.get("action", {}), request["estimate"]
    only(subject, *_SUBJECT_FIELDS)
    only(action, "kind", "name", "tags")
    only(estimate, "unit", "amount")
    return {
        "estimate": estimate["amount"],
        "unit": estimate["unit"],
        **subject,
        **{f"action_{name}": value for name, value in action.items()},
        **{name: request[name] for name in simple if name in request},
    }


def assert_subset(expected: Any, actual: Any, path: str = "body") -> None:
    """Every expected field is there with its value; lists have equal length."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), f"{path}: {actual!r} is not an object"
        for name, value in expected.items():
            assert name in actual, f"{path}.{name} is missing in {actual!r}"
            assert_subset(value, actual[name], f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), f"{path}: {actual!r} is not a list"
        assert len(actual) == len(expected), f"{path}: {actual!r}"
        for index, (value, item) in enumerate(zip(expected, actual, strict=True)):
            assert_subset(value, item, f"{path}[{index}]")
    else:
        assert actual == expected, f"{path}: {actual!r} is not {expected!r}"
