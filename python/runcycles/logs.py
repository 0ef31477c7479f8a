"""The core's log messages, in Python's `logging`.

They wait in a bounded queue of the native module and are handed over in
batches, on the thread of whichever call into it returns next. Loggers are named
after the core's modules (`runcycles.settlement`), so that `runcycles` is the
parent of all. The level that this logger has when a client is made is the one
from which messages are collected.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from runcycles import _native

_root = logging.getLogger("runcycles")


def follow_level() -> None:
    """Collects from the `runcycles` logger's level on."""
    _native.set_log_level(min(max(_root.getEffectiveLevel(), 1), 255))


def deliver(lines: Sequence[tuple[int, str, str]]) -> None:
    """Logs a batch; called by the native module."""
    for level, name, message in lines:
        logging.getLogger(name).log(level, "%s", message)
