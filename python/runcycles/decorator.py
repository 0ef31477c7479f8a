"""`@cycles`: reserve before the function runs, commit what it cost, release if it fails."""

from __future__ import annotations

import inspect
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Literal, ParamSpec, TypeVar, cast

from runcycles import _native
from runcycles.client import AnyClient
from runcycles.context import CyclesContext, Settlement, activate, current_guard, deactivate
from runcycles.defaults import default_client
from runcycles.exceptions import CyclesValidationError
from runcycles.models import Amount, CommitOveragePolicy, DryRunResult, Unit

P = ParamSpec("P")
R = TypeVar("R")

Quantity = int | float | Amount
Estimate = Quantity | Callable[..., Quantity]
Actual = Quantity | Callable[[Any], Quantity]
Text = str | Callable[..., str | None]

_logger = logging.getLogger("runcycles")
_SETTLED = (
    "committed",
    "inherited",
    "released",
    "recovered_via_event",
    "queued",
    "nothing_to_settle",
    "already_settled",
)


def cycles(
    estimate: Estimate,
    *,
    actual: Actual | None = None,
    use_estimate_if_actual_not_provided: bool = True,
    action_kind: Text | None = None,
    action_name: Text | None = None,
    action_tags: Sequence[str] | Callable[..., Sequence[str] | None] | None = None,
    unit: Unit | str = Unit.USD_MICROCENTS,
    ttl_ms: int | None = None,
    grace_period_ms: int | None = None,
    overage_policy: CommitOveragePolicy | str | None = None,
    dry_run: bool = False,
    nested: Literal["own", "inherit", "forbid"] | None = None,
    tenant: Text | None = None,
    workspace: Text | None = None,
    app: Text | None = None,
    workflow: Text | None = None,
    agent: Text | None = None,
    toolset: Text | None = None,
    dimensions: Mapping[str, str] | Callable[..., Mapping[str, str] | None] | None = None,
    client: AnyClient | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Guards a function, sync or async, with a budget.

    `estimate` is a number of `unit`, an `Amount`, or a callable that gets the
    function's arguments; `actual` likewise, but its callable gets the function's
    result. A callable's fraction is rounded up. Without `actual` the estimate
    is committed. Action and subject options are values or callables that get the
    function's arguments; the client's configuration fills in the rest. `ttl_ms`
    and `overage_policy` are only sent when given, so that the tenant's own
    defaults apply.

    Raises what the authority answers: `BudgetExceededError` and the like, and
    the function does not run. What the function raises releases the reservation
    and passes through. With `dry_run=True` the function does not run and the
    call returns a `DryRunResult`.

    `nested` says who pays for a call inside another guarded call: it holds budget
    of its own (`own`), it draws from the outer call's hold, which commits what it
    cost (`inherit`), or it is refused (`forbid`). The client's setting, unless given.
    """
    options = _Options(
        estimate=estimate,
        actual=actual,
        estimate_is_enough=use_estimate_if_actual_not_provided,
        unit=unit,
        subject={
            "tenant": tenant,
            "workspace": workspace,
            "app": app,
            "workflow": workflow,
            "agent": agent,
            "toolset": toolset,
            "dimensions": dimensions,
        },
        action={"kind": action_kind, "name": action_name, "tags": action_tags},
        lease={
            "ttl_ms": ttl_ms,
            "grace_period_ms": grace_period_ms,
            "overage_policy": overage_policy,
            "dry_run": dry_run or None,
            "nested": nested,
        },
        client=client,
    )

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        _refuse_generator_function(function)
        if _is_async(function):
            return cast("Callable[P, R]", _guard_async(function, options))
        return _guard_sync(function, options)

    return decorate


def _guard_sync(function: Callable[P, R], options: _Options) -> Callable[P, R]:
    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        guard = options.native_client().begin(options.request(args, kwargs), current_guard())
        if guard.dry_run:
            return cast("R", _dry_run_result(guard))
        context = CyclesContext(guard)
        token = activate(context)
        try:
            try:
                result = function(*args, **kwargs)
                _refuse_unfinished(function, result)
            except BaseException as error:
                _settled(context, guard.release(_reason(error)))
                raise
            _settled(context, guard.commit(options.settlement(context, result)))
            return result
        finally:
            deactivate(token)

    return guarded


def _guard_async(function: Callable[..., Any], options: _Options) -> Callable[..., Any]:
    @wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        request = options.request(args, kwargs)
        guard = await options.native_client().begin_async(request, current_guard())
        if guard.dry_run:
            return _dry_run_result(guard)
        context = CyclesContext(guard)
        token = activate(context)
        try:
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                _settled(context, await guard.release_async(_reason(error)))
                raise
            _settled(context, await guard.commit_async(options.settlement(context, result)))
            return result
        finally:
            deactivate(token)

    return guarded


@dataclass(frozen=True)
class _Options:
    estimate: Estimate
    actual: Actual | None
    estimate_is_enough: bool
    unit: Unit | str
    subject: dict[str, Any]
    action: dict[str, Any]
    lease: dict[str, Any]
    client: AnyClient | None

    def native_client(self) -> _native.Client:
        return (self.client if self.client is not None else default_client())._native

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The native module's guard request for one call."""
        if self.actual is None and not self.estimate_is_enough:
            raise CyclesValidationError(
                "actual is required when use_estimate_if_actual_not_provided is False"
            )
        estimate = self.estimate(*args, **kwargs) if callable(self.estimate) else self.estimate
        document = {"estimate": _amount("estimate", estimate, self.unit), **_present(self.lease)}
        for name, group in (("subject", self.subject), ("action", self.action)):
            fields = _present({key: _value(value, args, kwargs) for key, value in group.items()})
            if fields:
                document[name] = fields
        return _json("the guarded call's options are", document)

    def settlement(self, context: CyclesContext, result: object) -> str:
        """The native module's commit request for one result."""
        metadata = dict(context.commit_metadata or {})
        actual = None
        if self.actual is not None:
            try:
                actual = self._actual(result)
            except Exception as error:
                # The work is done and must be paid for: the estimate stands in.
                _logger.warning("cannot tell the actual, committing the estimate error=%r", error)
                metadata["actual_source"] = "estimate"
        metrics = context.metrics.to_wire() if context.metrics is not None else None
        try:
            return _json(
                "metrics and metadata are",
                {"actual": actual, "metrics": metrics or None, "metadata": metadata or None},
            )
        except CyclesValidationError as error:
            _logger.warning("committing without metrics and metadata error=%r", error)
            return _json("the actual is", {"actual": actual, "metrics": None, "metadata": None})

    def _actual(self, result: object) -> dict[str, Any]:
        actual = self.actual(result) if callable(self.actual) else self.actual
        return _amount("actual", actual, self.unit)


def _amount(name: str, value: object, unit: Unit | str) -> dict[str, Any]:
    if isinstance(value, Amount):
        return {"unit": str(value.unit), "amount": value.amount}
    if isinstance(value, float) and math.isfinite(value):
        value = math.ceil(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CyclesValidationError(f"{name} must be a number of units or an Amount value={value!r}")
    return {"unit": str(unit), "amount": value}


def _value(option: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return option(*args, **kwargs) if callable(option) else option


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _json(what: str, document: Mapping[str, Any]) -> str:
    try:
        return json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CyclesValidationError(f"{what} not a JSON document reason={error}") from error


def _settled(context: CyclesContext, document: str) -> None:
    settlement = Settlement.from_native(document)
    context.settlement = settlement
    if settlement.outcome not in _SETTLED:
        _logger.warning(
            "the call is not settled outcome=%s reservation_id=%s error=%s",
            settlement.outcome,
            context.reservation_id,
            settlement.error,
        )


def _dry_run_result(guard: _native.Guard) -> DryRunResult:
    return DryRunResult.model_validate(json.loads(guard.context())["response"])


def _reason(error: BaseException) -> str:
    """The class only: messages may hold what the budget's owner must not see."""
    return f"guarded function raised {type(error).__name__}"[:256]


def _is_async(function: Callable[..., Any]) -> bool:
    inner = _unwrapped(function)
    call = getattr(inner, "__call__", None)  # noqa: B004 - an object may be async in its __call__ only
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(call)


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _refuse_generator_function(function: Callable[..., Any]) -> None:
    inner = _unwrapped(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise CyclesValidationError(
            "a generator cannot be guarded, because its work starts after the call returned; "
            f"guard the function that consumes it function={_name(function)}"
        )


def _refuse_unfinished(function: Callable[..., Any], result: object) -> None:
    """A commit now would come before the work."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()
        raise CyclesValidationError(
            "the guarded function returned work that has not run yet; "
            f"declare it async def, or consume the generator inside function={_name(function)}"
        )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
