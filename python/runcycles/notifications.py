"""What happens in the background: leases, late settlements, the journal."""

from __future__ import annotations

import atexit
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from runcycles.exceptions import CyclesError, error_from_report

if TYPE_CHECKING:
    from runcycles import _native

_logger = logging.getLogger("runcycles")
_LAST_CALLBACKS_SECONDS = 2.0


@dataclass(frozen=True)
class Notification:
    """One thing that happened; what does not belong to its `kind` is None.

    `heartbeat_failure`: a lease could not be extended; `disposition` is
    `repeats`, `stopped` (it ends when it ends) or `lost` (it has ended before
    its work did). `settlement`: `outcome` is `pending`, `retained` (refused
    until somebody changes a key or a budget), `refused` (for good), or
    `committed` or `recovered_via_event` after one of the first two.
    `journal_degraded`, `journal_restored`: spends are not written down, or are
    again. `record_quarantined`: `file` can never be replayed. `spend_unknown`:
    work that was allowed unseen ended with its process, and `file` holds what is
    known of it. `dropped`: `count` were dropped before this one, because nobody
    took them.
    """

    kind: str
    reservation_id: str | None = None
    disposition: str | None = None
    outcome: str | None = None
    reason: str | None = None
    error: CyclesError | None = None
    file: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class JournalStats:
    """How a client's settlement journal stands."""

    depth: int
    """Spends that are known and not booked for certain."""
    oldest_age_ms: int | None
    """Age of the oldest of them."""
    quarantined: int
    """Files that were set aside because they can never be replayed."""
    lost: int
    """Work that was allowed unseen and ended with its process: its cost is not booked."""
    degraded: str | None
    """Why spends are not written down at present."""

    @classmethod
    def parse(cls, document: str | None) -> JournalStats | None:
        """The statistics in the native module's document."""
        return None if document is None else cls(**json.loads(document))


Callback = Callable[[Notification], Any]
_KNOWN = frozenset(field.name for field in fields(Notification))


def parse(batch: str) -> list[Notification]:
    """The notifications in the native module's document."""
    return [_notification(document) for document in json.loads(batch)]


def _notification(document: dict[str, Any]) -> Notification:
    known = {name: value for name, value in document.items() if name in _KNOWN}
    if known.get("error") is not None:
        known["error"] = error_from_report(known["error"])
    return Notification(**known)


def listen(queue: _native.Notifications, callback: Callback) -> None:
    """Calls back on a thread of its own until the client ends."""
    listener = _Listener(queue, callback)
    _listeners.add(listener)
    listener.start()


class _Listener(threading.Thread):
    """A daemon: a callback that hangs must not keep the process."""

    def __init__(self, queue: _native.Notifications, callback: Callback) -> None:
        super().__init__(name="runcycles-notifications", daemon=True)
        self.queue = queue
        self._callback = callback

    def run(self) -> None:
        while (batch := self.queue.next()) is not None:
            for notification in parse(batch):
                try:
                    self._callback(notification)
                except Exception:
                    _logger.exception("a notification callback failed kind=%s", notification.kind)


_listeners: WeakSet[_Listener] = WeakSet()


def _end_listeners() -> None:
    """Before the interpreter ends: its threads must not be in native code then."""
    listeners = [listener for listener in _listeners if listener.is_alive()]
    for listener in listeners:
        listener.queue.close()
    for listener in listeners:
        listener.join(_LAST_CALLBACKS_SECONDS)


# Runs after the clients were flushed, which register later: what the flush
# comes to is still told.
atexit.register(_end_listeners)
