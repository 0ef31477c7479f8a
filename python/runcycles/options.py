"""What a guarded call is told, turned into the native module's requests."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from runcycles.enums import CommitOveragePolicy, Unit
from runcycles.exceptions import CyclesValidationError
from runcycles.money import INT64_MAX

if TYPE_CHECKING:
    from runcycles.context import CyclesContext

Nested = Literal["own", "inherit", "forbid"]
Text = str | Callable[..., str | None]
Tags = Sequence[str] | Callable[..., Sequence[str] | None]
Dimensions = Mapping[str, str] | Callable[..., Mapping[str, str] | None]

SUBJECT_FIELDS = ("tenant", "workspace", "app", "workflow", "agent", "toolset", "dimensions")

_logger = logging.getLogger("runcycles")
_BY_ESTIMATE = {"actual_source": "estimate"}


class Options:
    """The options of one guarded function, checked once."""

    def __init__(
        self,
        estimate: Any,
        actual: Any,
        unit: Unit | str,
        subject: Mapping[str, Any],
        action: Mapping[str, Any],
        lease: Mapping[str, Any],
    ) -> None:
        """Raises `CyclesValidationError` for constants that could never be sent."""
        self.unit = known_unit(unit)
        self.estimate = estimate
        self.actual = actual
        self._groups = {"subject": present(subject), "action": present(action)}
        self._lease = present(lease)
        if not callable(estimate):
            amount_document("estimate", estimate, self.unit)
        self._unit_json = json.dumps(self.unit)
        self._constant: str | None = None
        values = [estimate, *(value for group in self._groups.values() for value in group.values())]
        self._is_constant = not any(callable(value) for value in values)

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The guard request of one call."""
        if self._constant is not None:
            return self._constant
        estimate = self.estimate
        if callable(estimate):
            estimate = _called("estimate", estimate, args, kwargs)
        document = {"estimate": amount_document("estimate", estimate, self.unit), **self._lease}
        for name, group in self._groups.items():
            fields = present({key: _value(key, value, args, kwargs) for key, value in group.items()})
            if fields:
                document[name] = fields
        request = to_json("the guarded call's options are", document)
        if self._is_constant:
            self._constant = request
        return request

    def settlement(self, context: CyclesContext, result: object) -> str:
        """The commit request for what the function returned."""
        if self.actual is None:
            return commit_request(context, None)
        try:
            actual = self.actual(result) if callable(self.actual) else self.actual
        except Exception as error:
            # The work is done and must be paid for: the estimate stands in.
            _logger.warning("the actual raised, committing the estimate error=%r", error)
            return commit_request(context, None, _BY_ESTIMATE)
        if type(actual) is int and context.commit_metadata is None and context.metrics is None:
            return f'{{"actual":{{"unit":{self._unit_json},"amount":{actual}}}}}'
        try:
            return commit_request(context, spent_document(actual, self.unit))
        except CyclesValidationError as error:
            _logger.warning("the actual makes no sense, committing the estimate error=%s", error)
            return commit_request(context, None, _BY_ESTIMATE)


def commit_request(
    context: CyclesContext, actual: dict[str, Any] | None, also: Mapping[str, Any] | None = None
) -> str:
    """A commit with the context's metrics and metadata, without them where they are not JSON."""
    metrics, metadata = context.metrics, context.commit_metadata
    if actual is None and also is None and metrics is None and metadata is None:
        return "{}"
    try:
        return to_json(
            "metrics and metadata are",
            {
                "actual": actual,
                "metrics": (metrics.to_wire() or None) if metrics is not None else None,
                "metadata": {**(metadata or {}), **(also or {})} or None,
            },
        )
    except (CyclesValidationError, TypeError, AttributeError) as error:
        _logger.warning("committing without metrics and metadata error=%r", error)
        return json.dumps({"actual": actual, "metrics": None, "metadata": also})


def lease_options(
    ttl_ms: int | None,
    grace_period_ms: int | None,
    overage_policy: CommitOveragePolicy | str | None,
    nested: Nested | None,
    **others: Any,
) -> dict[str, Any]:
    """The options that go to the top of a guard request."""
    return {
        "ttl_ms": ttl_ms,
        "grace_period_ms": grace_period_ms,
        "overage_policy": overage_policy,
        "nested": nested,
        **others,
    }


def known_unit(unit: Unit | str) -> str:
    """The unit's name; refuses what the protocol does not name."""
    if isinstance(unit, Unit):
        return unit.value
    names = [known.value for known in Unit]
    if unit in names:
        return unit
    import difflib

    text = str(unit).upper()
    close = [name for name in names if text in name] or difflib.get_close_matches(text, names, n=1)
    hint = f"; did you mean {close[0]}?" if text and close else ""
    raise CyclesValidationError(f"unit must be one of {', '.join(names)}{hint} value={unit!r}")


def amount_document(name: str, value: object, unit: str) -> dict[str, Any]:
    """A promise of how much: exact, or refused."""
    if type(value) is int and 0 <= value <= INT64_MAX:
        return {"unit": unit, "amount": value}
    if isinstance(value, float):
        raise CyclesValidationError(
            f"{name} must be an int number of {unit}, not a float; use math.ceil(…) value={value!r}"
        )
    given = _of_amount(value)
    if given is not None:
        return given
    if isinstance(value, bool) or not isinstance(value, int):
        raise CyclesValidationError(f"{name} must be an int number of {unit} or an Amount value={value!r}")
    if not 0 <= value <= INT64_MAX:
        raise CyclesValidationError(f"{name} must be from 0 to {INT64_MAX} {unit} value={value!r}")
    return {"unit": unit, "amount": int(value)}


def spent_document(value: object, unit: str) -> dict[str, Any]:
    """What work has cost: it has run, so a fraction is rounded up rather than refused."""
    if isinstance(value, float) and math.isfinite(value):
        value = math.ceil(value)
    return amount_document("actual", value, unit)


def _of_amount(value: object) -> dict[str, Any] | None:
    unit, amount = getattr(value, "unit", None), getattr(value, "amount", None)
    if unit is None or type(amount) is not int:
        return None
    return {"unit": str(unit), "amount": amount}


def _called(name: str, option: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    try:
        value = option(*args, **kwargs)
    except Exception as error:
        raise CyclesValidationError(
            f"{name} raised {type(error).__name__}: {error}; it is called with the function's arguments, "
            "and nothing was reserved"
        ) from error
    if hasattr(value, "__await__"):
        if hasattr(value, "close"):
            value.close()
        raise CyclesValidationError(f"{name} must not be async: compute it before, or in a plain function")
    return value


def _value(name: str, option: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return _called(name, option, args, kwargs) if callable(option) else option


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}


def to_json(what: str, document: Mapping[str, Any]) -> str:
    """JSON, or a `CyclesValidationError` that says what is none."""
    try:
        return json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CyclesValidationError(f"{what} not a JSON document reason={error}") from error
