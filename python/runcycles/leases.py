"""`heartbeat_policy="cancel"`: work stops when its lease is lost."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from runcycles import _native

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")


class LeaseWatch:
    """Cancels the awaiting task when a lease is lost, and tells that from other cancellations."""

    def __init__(self, lost: Awaitable[Any]) -> None:
        """Watches until `close`; `lost` is a native future."""
        import asyncio  # sync programs do not pay for it

        self._lost = asyncio.ensure_future(lost)
        self._lost.add_done_callback(self._cancel)
        self._cancelled = False
        self._current_task = asyncio.current_task
        self.armed = False
        self.arm()

    def arm(self) -> None:
        """The current task awaits what a loss should end; until `armed` is False."""
        self._task = self._current_task()
        self.armed = True

    def _cancel(self, lost: asyncio.Future[Any]) -> None:
        if self.armed and self._task is not None and not lost.cancelled():
            self._cancelled = True
            self._task.cancel()

    def caused(self) -> bool:
        """Whether the cancellation that was just caught is this watch's alone."""
        if not self._cancelled or self._task is None:
            return False
        self._cancelled = False
        # Python 3.10 does not count cancellations.
        uncancel = getattr(self._task, "uncancel", None)
        return uncancel is None or uncancel() == 0

    def loss(self) -> Any:
        """What the native future came to."""
        return self._lost.result()

    def close(self) -> None:
        """Stops watching."""
        self.armed = False
        self._lost.cancel()


async def unless_lost(guard: _native.Guard, work: Awaitable[R]) -> R:
    """Awaits `work`; when the lease is lost before, cancels it and raises why."""
    if not guard.cancels:
        return await work
    import asyncio

    watch = LeaseWatch(guard.lost_async())
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.caused():
            raise
        await guard.abandon_async()
        raise watch.loss() from None
    finally:
        watch.close()
