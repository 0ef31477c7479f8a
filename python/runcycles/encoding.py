"""Requests and responses in the native module's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from runcycles.exceptions import CyclesTypeError, CyclesValidationError
from runcycles.response import CyclesResponse

if TYPE_CHECKING:
    from pydantic import BaseModel

Document: TypeAlias = "Mapping[str, Any] | BaseModel"
Operation = Literal[
    "create_reservation",
    "commit",
    "release",
    "extend",
    "decide",
    "create_event",
    "get_balances",
    "list_reservations",
    "get_reservation",
]
RawResponse = tuple[int, str | None, list[tuple[str, str]], str | None]
Call = tuple[str, str | None, list[tuple[str, str]], str | None]


_SUBJECT_FILTERS = ("tenant", "workspace", "app", "workflow", "agent", "toolset")


def encode(
    operation: Operation,
    reservation_id: str | None,
    body: Document | None,
    query: Mapping[str, Any] | None,
) -> Call:
    """The arguments of the native `send`."""
    pairs = [(name, _query_value(value)) for name, value in (query or {}).items() if value is not None]
    return operation, reservation_id, pairs, None if body is None else _json(body)


def _json(body: Document) -> str:
    write = getattr(body, "model_dump_json", None)
    if write is not None:
        document: str = write(exclude_none=True)
        return document
    if not isinstance(body, Mapping):
        raise CyclesTypeError(f"a request is a model of runcycles or a dict got={type(body).__name__}")
    try:
        return json.dumps(body, default=_plain)
    except (TypeError, ValueError) as error:
        raise CyclesValidationError(f"the request is not a JSON document reason={error}") from error


def _plain(value: object) -> object:
    """Models may stand inside of dicts."""
    dump: Any = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _query_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def balance_query(query: dict[str, Any]) -> dict[str, Any]:
    """The query, refused when it would list everybody's budgets."""
    if not any(query.get(name) for name in _SUBJECT_FILTERS):
        raise CyclesValidationError(f"get_balances needs at least one of {', '.join(_SUBJECT_FILTERS)}")
    return query


def decode(answer: RawResponse) -> CyclesResponse:
    """The response for what the native module answered; never raises."""
    status, text, headers, error_message = answer
    body = None
    if text is not None:
        try:
            body = json.loads(text)
        except ValueError:
            error_message = error_message or f"the answer is not JSON status={status}"
    return CyclesResponse.from_native(status, body, headers, error_message)
