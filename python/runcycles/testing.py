"""Servers and clocks for tests of budgeted code.

```python
from runcycles.testing import ManualClock, TestServer

with TestServer(budgets={"tenant:acme": "$1.00"}, clock=ManualClock()) as server:
    client = server.client()
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from runcycles import _native
from runcycles.assertions import Denial, assert_denied, assert_spent
from runcycles.client import AsyncCyclesClient, CyclesClient
from runcycles.embedded import Seed, seed_document
from runcycles.enums import Unit
from runcycles.exceptions import CyclesTransportError, CyclesValidationError

if TYPE_CHECKING:
    from typing_extensions import Self

    from runcycles.models import Amount

Transport = Literal["http", "local"]
# In seconds; the server is here, and what its clock keeps waiting will not come.
_FLUSH_TIMEOUT = 1.0

FaultKind = Literal["drop_before", "drop_after", "delay", "status", "malformed"]

__all__ = [
    "BudgetState",
    "Denial",
    "FaultKind",
    "ManualClock",
    "TestServer",
    "assert_denied",
    "assert_spent",
]


class ManualClock:
    """A clock that stands still until it is told otherwise; it drives server and SDK alike."""

    def __init__(self, start_ms: int = 1_800_000_000_000) -> None:
        """Starts at `start_ms` Unix milliseconds."""
        self._native = _native.ManualClock(start_ms)

    def advance(self, ms: int) -> None:
        """Lets `ms` milliseconds pass."""
        self._native.advance(ms)

    def now_ms(self) -> int:
        """The time in Unix milliseconds."""
        return self._native.now_ms()

    def __repr__(self) -> str:
        """The time."""
        return f"<ManualClock {self.now_ms()}>"


class BudgetState(TypedDict):
    """One budget of the ledger, as plain integers."""

    allocated: int
    remaining: int
    reserved: int
    spent: int
    debt: int
    overdraft_limit: int
    is_over_limit: bool
    status: str


class TestServer:
    """A server on a free port over a fresh ledger; a context manager."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(
        self,
        seed: Seed | None = None,
        clock: ManualClock | None = None,
        *,
        budgets: Mapping[str, Amount | str] | None = None,
    ) -> None:
        """Starts it; `seed` and `budgets` are those of `CyclesClient.embedded`."""
        text = seed_document(seed, budgets)
        self._native = _native.TestServer(text, clock._native if clock is not None else None)
        self._clock = clock

    @property
    def clock(self) -> ManualClock:
        """The clock that it was started with; raises `CyclesValidationError` for one on real time."""
        if self._clock is None:
            raise CyclesValidationError(
                "the server runs on real time; start it with TestServer(…, ManualClock())"
            )
        return self._clock

    def first_scope(self) -> str:
        """The scope of the seed's first budget; raises `CyclesValidationError` where there is none."""
        scope = self._native.first_scope()
        if scope is None:
            raise CyclesValidationError("name the scope: the seed has no budgets")
        return scope

    def __repr__(self) -> str:
        """Where it listens."""
        return f"<TestServer {self.base_url}>"

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self._native.base_url

    @property
    def admin_key(self) -> str:
        """The key of the governance plane."""
        return self._native.admin_key

    def api_key(self, name: str | None = None) -> str:
        """The secret of the seed's key `name`, by default of its first."""
        return self._native.api_key(name)

    def client(
        self,
        key: str | None = None,
        transport: Transport = "http",
        config: Mapping[str, Any] | None = None,
    ) -> CyclesClient:
        """A sync client, over HTTP or right at the server's ledger.

        `key` is the name of the seed's key, by default its first; a call that names no
        tenant spends the key's.
        """
        return CyclesClient._wrap(self._native_client(key, transport, config), _FLUSH_TIMEOUT)

    def async_client(
        self,
        key: str | None = None,
        transport: Transport = "http",
        config: Mapping[str, Any] | None = None,
    ) -> AsyncCyclesClient:
        """`client`, for async code."""
        return AsyncCyclesClient._wrap(self._native_client(key, transport, config), _FLUSH_TIMEOUT)

    def wait_for(self, operation: str, count: int, timeout_ms: int = 5000) -> None:
        """Blocks until the authority has answered `operation` successfully `count` times.

        Raises `TimeoutError` when that does not happen in `timeout_ms` of real time.
        """
        try:
            self._native.wait_for(operation, count, timeout_ms)
        except CyclesTransportError as error:
            raise TimeoutError(str(error)) from None

    def inject(
        self,
        operation: str,
        kind: FaultKind,
        *,
        times: int = 1,
        skip: int = 0,
        delay_ms: int | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after_ms: int | None = None,
        body: str | None = None,
    ) -> None:
        """Lets `times` coming calls of `operation` go wrong, after `skip` that pass.

        - `drop_before`: the connection closes without an answer; nothing was applied;
        - `drop_after`: the same, but the command was applied;
        - `delay`: the call is held for `delay_ms` by the server's clock, then applied;
        - `status`: a refusal with `status`, and with `code` and `retry_after_ms` if given;
        - `malformed`: the command was applied; `body`, by default HTML, stands for its answer.

        Faults of one operation fire in the order in which they were injected. Raises
        `CyclesValidationError` for one that could never fire.
        """
        fault = {
            "operation": operation,
            "kind": kind,
            "times": times,
            "skip": skip,
            "delay_ms": delay_ms,
            "status": status,
            "code": code,
            "retry_after_ms": retry_after_ms,
            "body": body,
        }
        self._native.inject(json.dumps(fault))

    def clear_faults(self) -> None:
        """Forgets the faults that have not fired, and lets delayed calls go on."""
        self._native.clear_faults()

    def pending_faults(self) -> list[dict[str, Any]]:
        """The faults that have not fired, in the words of `inject`; none at the end of a good test."""
        faults: list[dict[str, Any]] = json.loads(self._native.pending_faults())
        return faults

    def wait_for_faults(self, operation: str, timeout_ms: int = 5000) -> None:
        """Blocks until every fault of `operation` has fired.

        Raises `TimeoutError` naming those that have not in `timeout_ms` of real time. Once a
        `delay` has fired, advancing the clock by as much lets the call go on.
        """
        try:
            self._native.wait_for_faults(operation, timeout_ms)
        except CyclesTransportError as error:
            raise TimeoutError(str(error)) from None

    def count(self, operation: str) -> int:
        """How often the authority has answered `operation` successfully.

        Answers that a fault lost or replaced count too: their commands were applied.
        """
        return self._native.count(operation)

    def budget(self, scope: str, unit: Unit | str) -> BudgetState:
        """The ledger's state of one budget."""
        state: BudgetState = json.loads(self._native.budget(scope, str(unit)))
        return state

    def shutdown(self) -> None:
        """Stops listening and lets requests under way end."""
        self._native.shutdown()

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the server."""
        self.shutdown()

    def _native_client(
        self, key: str | None, transport: Transport, config: Mapping[str, Any] | None
    ) -> _native.Client:
        return self._native.client(key, transport, json.dumps(dict(config or {})))
