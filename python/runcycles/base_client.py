"""What both clients share: construction, background news, and the end of the process."""

from __future__ import annotations

import atexit
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

from runcycles import _native, logs
from runcycles.config import CyclesConfig, milliseconds
from runcycles.embedded import Seed, seed_document
from runcycles.notifications import Callback, JournalStats, Notification, listen, parse

if TYPE_CHECKING:
    from typing_extensions import Self

    from runcycles.models import Amount

_logger = logging.getLogger("runcycles")
_DEFAULT_FLUSH_TIMEOUT = 10.0


class BaseClient:
    """What both clients share."""

    def __init__(self, config: CyclesConfig) -> None:
        """Connects lazily: nothing is sent before the first call."""
        self._adopt(_native.Client(config.to_native()), config, config.retry_flush_timeout)

    def _adopt(self, native: _native.Client, config: CyclesConfig | None, flush_timeout: float) -> None:
        self._native = native
        self._config = config
        self._flush_timeout = flush_timeout
        _open_clients.add(self)
        logs.follow_level()

    @classmethod
    def embedded(
        cls,
        seed: Seed | None = None,
        *,
        budgets: Mapping[str, Amount | str] | None = None,
        key: str | None = None,
        **subject_defaults: str,
    ) -> Self:
        """A client with its own authority in this process: no server, no network.

        `seed` is the document of `cycles serve --seed` as a dict or YAML text;
        `budgets={"tenant:acme": "$1.00"}` is the short form, with text or an
        `Amount`. `key` is the API key's secret, by default the seed's first; a
        call that names no tenant spends the key's; where a seed has no keys, each
        tenant has one, and the first by name is taken. What it holds is gone at exit.
        """
        config = subject_defaults | ({} if key is None else {"api_key": key})
        native = _native.Client.embedded(seed_document(seed, budgets), json.dumps(config))
        return cls._wrap(native, _DEFAULT_FLUSH_TIMEOUT)

    @classmethod
    def _wrap(cls, native: _native.Client, flush_timeout: float) -> Self:
        client = cls.__new__(cls)
        client._adopt(native, None, flush_timeout)
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

    def __repr__(self) -> str:
        """Where the authority is, and for whom."""
        config = self._config
        if config is None:
            return f"<{type(self).__name__} of a server or authority in this process>"
        tenant = f" tenant={config.tenant}" if config.tenant else ""
        return f"<{type(self).__name__} {config.base_url}{tenant}>"

    def _share(self, other: BaseClient) -> None:
        """Makes `other` a client on the same connection."""
        other._adopt(self._native, self._config, self._flush_timeout)

    def _left(self) -> None:
        """The end of the process has nothing more to wait for."""
        _open_clients.discard(self)

    def _flush_ms(self, timeout: float | None) -> int:
        return milliseconds("timeout", self._flush_timeout if timeout is None else timeout)


_open_clients: WeakSet[BaseClient] = WeakSet()


def _flush_open_clients() -> None:
    """Money that was spent is reported before the process ends."""
    clients = list(_open_clients)
    if clients:
        longest = max(client._flush_ms(None) for client in clients)
        warn_if_pending(_native.flush_all([client._native for client in clients], longest))


def warn_if_pending(pending: int) -> None:
    """Says so where a flush has left settlements behind."""
    if pending:
        _logger.warning("settlements are still pending count=%d", pending)


atexit.register(_flush_open_clients)
