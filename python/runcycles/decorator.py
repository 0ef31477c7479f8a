"""`@cycles`: reserve before the function runs, commit what it cost, release if it fails."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from runcycles import _native
from runcycles.client import AnyClient, AsyncCyclesClient, CyclesClient
from runcycles.context import CyclesContext, activate, current_guard, deactivate, reason
from runcycles.defaults import default_client
from runcycles.defaults import set_default_client as set_default_client
from runcycles.defaults import set_default_config as set_default_config
from runcycles.enums import CommitOveragePolicy, Unit
from runcycles.exceptions import CyclesTypeError, CyclesValidationError
from runcycles.generators import guard_async_generator, guard_generator
from runcycles.leases import unless_lost
from runcycles.options import Dimensions, Nested, Options, Tags, Text, lease_options

if TYPE_CHECKING:
    from runcycles.models import Amount, DryRunResult

P = ParamSpec("P")
R = TypeVar("R")


def cycles(
    estimate: int | Amount | Callable[..., int | Amount],
    *,
    actual: float | Amount | Callable[[Any], float | Amount] | None = None,
    action_kind: Text | None = None,
    action_name: Text | None = None,
    action_tags: Tags | None = None,
    unit: Unit | str = Unit.USD_MICROCENTS,
    ttl_ms: int | None = None,
    grace_period_ms: int | None = None,
    overage_policy: CommitOveragePolicy | str | None = None,
    dry_run: bool = False,
    tenant: Text | None = None,
    workspace: Text | None = None,
    app: Text | None = None,
    workflow: Text | None = None,
    agent: Text | None = None,
    toolset: Text | None = None,
    dimensions: Dimensions | None = None,
    client: AnyClient | None = None,
    use_estimate_if_actual_not_provided: bool = True,
    nested: Nested | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Guards a function, coroutine function, generator or async generator with a budget.

    `estimate` is an int of `unit`, an `Amount`, or a callable that gets the
    function's arguments. `actual` likewise, but its callable gets the function's
    result; a generator's result is the list of what it yielded. Without `actual`
    the estimate is committed. Action and subject options are values or callables
    that get the function's arguments; the client's configuration fills in the
    rest. `ttl_ms` and `overage_policy` are only sent when given, so that the
    tenant's own defaults apply.

    Raises what the authority answers: `BudgetExceededError` and the like, and
    the function does not run. What the function raises releases the reservation
    and passes through. With `dry_run=True` the function does not run and the
    call returns a `DryRunResult`.

    A generator reserves at its first item and is settled when it ends, is closed
    or abandoned, or fails: what it yielded is committed, and where it yielded
    nothing its reservation is released.

    `nested` says who pays for a call inside another guarded call: it holds budget
    of its own (`own`), it draws from the outer call's hold, which commits what it
    cost (`inherit`), or it is refused (`forbid`). The client's setting, unless given.

    ```python
    @cycles(estimate=usd("0.02"), actual=lambda reply: reply.cost, action_name="gpt-4o")
    def ask(prompt: str) -> Reply: ...
    ```
    """
    if actual is None and not use_estimate_if_actual_not_provided:
        raise CyclesValidationError("actual is required when use_estimate_if_actual_not_provided is False")
    subject = {
        "tenant": tenant,
        "workspace": workspace,
        "app": app,
        "workflow": workflow,
        "agent": agent,
        "toolset": toolset,
        "dimensions": dimensions,
    }
    action = {"kind": action_kind, "name": action_name, "tags": action_tags}
    lease = lease_options(ttl_ms, grace_period_ms, overage_policy, nested, dry_run=dry_run or None)
    options = Options(estimate, actual, unit, subject, action, lease)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        guard = _guard_for(function, dry_run)
        is_async = guard in (_guard_async, guard_async_generator)
        _refuse_other_flavour(client, is_async, function)

        def native() -> _native.Client:
            return (client if client is not None else default_client())._native

        return cast("Callable[P, R]", guard(function, options, native))

    return decorate


Guarding = Callable[[Callable[..., Any], Options, Callable[[], _native.Client]], Callable[..., Any]]


def _guard_for(function: Callable[..., Any], dry_run: bool) -> Guarding:
    _refuse_what_is_no_function(function)
    inner = _unwrapped(function)
    # An object may be async in its __call__ only.
    kinds = (inner, getattr(inner, "__call__", None))  # noqa: B004
    is_generator = any(map(inspect.isgeneratorfunction, kinds))
    is_async_generator = any(map(inspect.isasyncgenfunction, kinds))
    if dry_run and (is_generator or is_async_generator):
        raise CyclesValidationError(
            "a generator has no result that a dry run could stand for; ask client.decide(…) instead "
            f"function={_name(function)}"
        )
    if is_async_generator:
        return guard_async_generator
    if is_generator:
        return guard_generator
    return _guard_async if any(map(inspect.iscoroutinefunction, kinds)) else _guard_sync


def _guard_sync(
    function: Callable[..., Any], options: Options, native: Callable[[], _native.Client]
) -> Callable[..., Any]:
    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard = native().begin(options.request(args, kwargs), current_guard())
        if guard.dry_run:
            return _dry_run_result(guard)
        context = CyclesContext.of(guard)
        token = activate(context)
        try:
            try:
                result = function(*args, **kwargs)
                _refuse_unfinished(function, result)
            except BaseException as error:
                context.settled(guard.release(reason(error)))
                raise
            context.settled(guard.commit(options.settlement(context, result)))
            return result
        finally:
            deactivate(token)

    return guarded


def _guard_async(
    function: Callable[..., Any], options: Options, native: Callable[[], _native.Client]
) -> Callable[..., Any]:
    @wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        guard = await native().begin_async(options.request(args, kwargs), current_guard())
        if guard.dry_run:
            return _dry_run_result(guard)
        context = CyclesContext.of(guard)
        token = activate(context)
        try:
            try:
                result = await unless_lost(guard, function(*args, **kwargs))
            except BaseException as error:
                context.settled(await guard.release_async(reason(error)))
                raise
            context.settled(await guard.commit_async(options.settlement(context, result)))
            return result
        finally:
            deactivate(token)

    return guarded


def _dry_run_result(guard: _native.Guard) -> DryRunResult:
    from runcycles.models import DryRunResult

    return DryRunResult.model_validate(json.loads(guard.context())["response"])


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    # What stands inside a staticmethod decides.
    return getattr(function, "__func__", function) if isinstance(function, staticmethod) else function


def _refuse_what_is_no_function(function: object) -> None:
    if isinstance(function, classmethod | property):
        raise CyclesValidationError(
            f"put @cycles below @{type(function).__name__}, so that it gets the function"
        )
    if inspect.isclass(function):
        raise CyclesValidationError(f"a class cannot be guarded; guard its methods class={_name(function)}")
    if not callable(function):
        raise CyclesValidationError(
            f"only a function can be guarded; write @cycles(estimate=…) with parentheses got={function!r}"
        )


def _refuse_other_flavour(client: object, is_async: bool, function: Callable[..., Any]) -> None:
    name = _name(function)
    if client is None or isinstance(client, AsyncCyclesClient if is_async else CyclesClient):
        return
    if not isinstance(client, CyclesClient | AsyncCyclesClient):
        raise CyclesTypeError(
            f"client must be a CyclesClient or an AsyncCyclesClient function={name} client={client!r}"
        )
    wanted, turn = ("AsyncCyclesClient", "as_async") if is_async else ("CyclesClient", "as_sync")
    raise CyclesTypeError(
        f"{'an async' if is_async else 'a sync'} function needs a client of its kind: "
        f"pass one made with {wanted}(…), or client.{turn}(), which shares this one's connection "
        f"function={name}"
    )


def _refuse_unfinished(function: Callable[..., Any], result: object) -> None:
    """A commit now would come before the work."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()
        raise CyclesValidationError(
            "the guarded function returned work that has not run yet; declare it async def, "
            f"or write it as a generator function itself function={_name(function)}"
        )


def _name(function: object) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
