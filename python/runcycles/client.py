"""The clients: every operation of the authority, for sync and async code."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from runcycles import _native
from runcycles.config import CyclesConfig, milliseconds
from runcycles.embedded import Seed, embedded_config, seed_document
from runcycles.encoding import Document, Operation, balance_query, decode, encode
from runcycles.models import Amount
from runcycles.notifications import Callback, JournalStats, Notification, listen, parse
from runcycles.response import CyclesResponse

if TYPE_CHECKING:
    from typing_extensions import Self

_logger = logging.getLogger("runcycles")
_DEFAULT_FLUSH_TIMEOUT = 10.0


class _Client:
    """What both clients share: construction, encoding, decoding."""

    def __init__(self, config: CyclesConfig) -> None:
        """Connects lazily: nothing is sent before the first call."""
        self._adopt(_native.Client(config.to_native()), config, config.retry_flush_timeout)

    def _adopt(self, native: _native.Client, config: CyclesConfig | None, flush_timeout: float) -> None:
        self._native = native
        self._config = config
        self._flush_timeout = flush_timeout
        _open_clients.add(self)

    @classmethod
    def embedded(
        cls,
        seed: Seed | None = None,
        *,
        budgets: Mapping[str, Amount] | None = None,
        key: str | None = None,
        **subject_defaults: str,
    ) -> Self:
        """A client with its own authority in this process: no server, no network.

        `seed` is the document of `cycles serve --seed` as a dict or YAML text;
        `budgets={"tenant:acme": usd("1.00")}` is the short form. `key` is the
        API key's secret, by default the seed's first. What it holds is gone at
        exit.
        """
        client = cls.__new__(cls)
        native = _native.Client.embedded(
            seed_document(seed, budgets), embedded_config(budgets, key, subject_defaults)
        )
        client._adopt(native, None, _DEFAULT_FLUSH_TIMEOUT)
        return client

    @classmethod
    def _wrap(cls, native: _native.Client) -> Self:
        client = cls.__new__(cls)
        client._adopt(native, None, _DEFAULT_FLUSH_TIMEOUT)
        return client

    @property
    def config(self) -> CyclesConfig | None:
        """The configuration that the client was made from, None for an embedded one."""
        return self._config

    def notifications(self) -> list[Notification]:
        """What has happened in the background and nobody has taken yet; does not wait."""
        return parse(self._native.notifications().take())

    def on_notification(self, callback: Callback) -> None:
        """Calls back for everything that happens in the background, until the client ends.

        On a thread of the SDK: asyncio code passes it on with
        `loop.call_soon_threadsafe`. An exception in it is logged. One callback
        per client; a forked process sets its own.
        """
        listen(self._native.notifications(), callback)

    def set_api_key(self, api_key: str) -> None:
        """Makes further calls carry another key of the same tenant.

        What the former key could not book is tried again at once. Raises
        `CyclesConfigError` for a key that is empty or that no header can carry,
        and for an embedded client, whose calls carry none.
        """
        self._native.set_api_key(api_key)

    def journal_stats(self) -> JournalStats | None:
        """How the settlement journal stands, None without one."""
        return JournalStats.parse(self._native.journal_stats())

    def _flush_ms(self, timeout: float | None) -> int:
        return milliseconds("timeout", self._flush_timeout if timeout is None else timeout)


class CyclesClient(_Client):
    """The client for sync code.

    Low-level calls take a request model or its JSON document as a dict, and
    never raise on an HTTP or transport problem: look at the response. The SDK
    fills in a missing `idempotency_key`.
    """

    def create_reservation(self, request: Document) -> CyclesResponse:
        """Holds an estimate on every budget of the subject."""
        return self._send("create_reservation", body=request)

    def commit_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Settles a reservation at what it really cost."""
        return self._send("commit", reservation_id, request)

    def release_reservation(self, reservation_id: str, request: Document | None = None) -> CyclesResponse:
        """Gives a reservation back."""
        return self._send("release", reservation_id, request if request is not None else {})

    def extend_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Moves a reservation's expiry outwards."""
        return self._send("extend", reservation_id, request)

    def decide(self, request: Document) -> CyclesResponse:
        """Asks whether a call would be allowed, without holding anything."""
        return self._send("decide", body=request)

    def create_event(self, request: Document) -> CyclesResponse:
        """Records spending that had no reservation."""
        return self._send("create_event", body=request)

    def get_balances(self, **query: Any) -> CyclesResponse:
        """Lists budgets; at least one subject filter such as `tenant=` is needed."""
        return self._send("get_balances", query=balance_query(query))

    def list_reservations(self, **query: Any) -> CyclesResponse:
        """Lists reservations by subject, status and time."""
        return self._send("list_reservations", query=query)

    def get_reservation(self, reservation_id: str) -> CyclesResponse:
        """Looks one reservation up."""
        return self._send("get_reservation", reservation_id)

    def flush(self, timeout: float | None = None) -> int:
        """Waits for settlements that are still under way; answers how many remain."""
        return self._native.flush(self._flush_ms(timeout))

    def close(self) -> None:
        """Flushes and ends the client."""
        _open_clients.discard(self)
        _warn_if_pending(self.flush())
        self._native.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        self.close()

    def _send(
        self,
        operation: Operation,
        reservation_id: str | None = None,
        body: Document | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> CyclesResponse:
        return decode(self._native.send(*encode(operation, reservation_id, body, query)))


class AsyncCyclesClient(_Client):
    """The client for async code; the same calls as `CyclesClient`, awaited."""

    async def create_reservation(self, request: Document) -> CyclesResponse:
        """Holds an estimate on every budget of the subject."""
        return await self._send("create_reservation", body=request)

    async def commit_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Settles a reservation at what it really cost."""
        return await self._send("commit", reservation_id, request)

    async def release_reservation(
        self, reservation_id: str, request: Document | None = None
    ) -> CyclesResponse:
        """Gives a reservation back."""
        return await self._send("release", reservation_id, request if request is not None else {})

    async def extend_reservation(self, reservation_id: str, request: Document) -> CyclesResponse:
        """Moves a reservation's expiry outwards."""
        return await self._send("extend", reservation_id, request)

    async def decide(self, request: Document) -> CyclesResponse:
        """Asks whether a call would be allowed, without holding anything."""
        return await self._send("decide", body=request)

    async def create_event(self, request: Document) -> CyclesResponse:
        """Records spending that had no reservation."""
        return await self._send("create_event", body=request)

    async def get_balances(self, **query: Any) -> CyclesResponse:
        """Lists budgets; at least one subject filter such as `tenant=` is needed."""
        return await self._send("get_balances", query=balance_query(query))

    async def list_reservations(self, **query: Any) -> CyclesResponse:
        """Lists reservations by subject, status and time."""
        return await self._send("list_reservations", query=query)

    async def get_reservation(self, reservation_id: str) -> CyclesResponse:
        """Looks one reservation up."""
        return await self._send("get_reservation", reservation_id)

    async def flush(self, timeout: float | None = None) -> int:
        """Waits for settlements that are still under way; answers how many remain."""
        return await self._native.flush_async(self._flush_ms(timeout))

    async def aclose(self) -> None:
        """Flushes and ends the client."""
        _open_clients.discard(self)
        _warn_if_pending(await self.flush())
        self._native.close()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the client."""
        await self.aclose()

    async def _send(
        self,
        operation: Operation,
        reservation_id: str | None = None,
        body: Document | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> CyclesResponse:
        return decode(await self._native.send_async(*encode(operation, reservation_id, body, query)))


AnyClient = CyclesClient | AsyncCyclesClient

_open_clients: WeakSet[_Client] = WeakSet()


def _flush_open_clients() -> None:
    """Money that was spent is reported before the process ends."""
    clients = list(_open_clients)
    if clients:
        longest = max(client._flush_ms(None) for client in clients)
        _warn_if_pending(_native.flush_all([client._native for client in clients], longest))


def _warn_if_pending(pending: int) -> None:
    if pending:
        _logger.warning("settlements are still pending count=%d", pending)


atexit.register(_flush_open_clients)
