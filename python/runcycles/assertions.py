"""Assertions about budgets, with failures that say how things stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runcycles.exceptions import CyclesError, CyclesProtocolError, CyclesTransportError

if TYPE_CHECKING:
    from runcycles.models import Amount
    from runcycles.testing import TestServer

_DENIALS = (
    "BUDGET_EXCEEDED",
    "BUDGET_FROZEN",
    "BUDGET_CLOSED",
    "OVERDRAFT_LIMIT_EXCEEDED",
    "DEBT_OUTSTANDING",
    "TENANT_CLOSED",
)


def assert_spent(server: TestServer, amount: Amount, scope: str | None = None) -> None:
    """Fails unless exactly `amount` is booked on the budget of `scope` and nothing is held.

    `scope` is the seed's first budget unless given.
    """
    __tracebackhide__ = True
    scope = scope if scope is not None else server.first_scope()
    state = server.budget(scope, str(amount.unit))
    if state["spent"] == amount.amount and state["reserved"] == 0:
        return

    def shown(number: int) -> str:
        return str(amount.model_copy(update={"amount": number}))

    held = f", and {shown(state['reserved'])} is still held" if state["reserved"] else ""
    raise AssertionError(
        f"{scope} has spent {shown(state['spent'])}, not {amount}{held}; "
        f"of {shown(state['allocated'])}, {shown(state['remaining'])} remains"
    )


@dataclass
class Denial:
    """What `assert_denied` caught."""

    error: CyclesProtocolError | None = None


@contextmanager
def assert_denied(code: str | None = None) -> Iterator[Denial]:
    """Fails unless the block is refused by a budget, with `code` where one is given.

    ```python
    with assert_denied("BUDGET_EXCEEDED") as denial:
        ask("one too many")
    assert denial.error.details
    ```

    Works around awaits too. An error that is no denial is raised as it is.
    """
    __tracebackhide__ = True
    denial = Denial()
    try:
        yield denial
    except CyclesTransportError as error:
        raise AssertionError(f"nothing was denied: no answer came error={error}") from error
    except CyclesError as error:
        if error.code not in _DENIALS or not isinstance(error, CyclesProtocolError):
            raise
        if code is not None and error.code != code:
            raise AssertionError(f"denied with {error.code}, not {code} message={error}") from error
        denial.error = error
        return
    raise AssertionError(
        f"nothing was denied: the block ran to its end without {code or 'one of ' + ', '.join(_DENIALS)}"
    )
