"""Where the authority is, who the caller is and how patient to be."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from typing import Any, Literal

from runcycles import _native
from runcycles.exceptions import CyclesConfigError

_SUBJECT_FIELDS = ("tenant", "workspace", "app", "workflow", "agent", "toolset")
_SECONDS = {
    "connect_timeout": "connect_timeout_ms",
    "read_timeout": "read_timeout_ms",
    "retry_initial_delay": "retry_initial_delay_ms",
    "retry_max_delay": "retry_max_delay_ms",
    "call_timeout": "call_timeout_ms",
    "circuit_breaker_cooldown": "circuit_breaker_cooldown_ms",
    "extend_timeout": "extend_timeout_ms",
}
# Times that have no default.
_UNSET = ("call_timeout", "extend_timeout")
_AS_THEY_ARE = (
    *_SUBJECT_FIELDS,
    "retry_enabled",
    "retry_max_attempts",
    "retry_multiplier",
    "journal_enabled",
    "journal_dir",
    "journal_sync",
    "nested",
    "settlement",
    "circuit_breaker_failures",
    "on_unreachable",
    "heartbeat_policy",
    "ca_file",
)


@dataclass
class CyclesConfig:
    """Connection, subject defaults, retry and journal; all times are in seconds.

    The six subject fields are defaults for calls that do not name them. The
    journal keeps spend that is not booked for certain on disk (`journal_dir`,
    else `.runcycles/commit-journal` in the home directory), where it survives a
    power failure (`journal_sync="power"`) or only the process (`"process"`).
    `nested` says who pays for a guarded call inside another, unless the call does.

    When the authority is slow or gone (docs/outages.md): `call_timeout` limits a call
    in all, the circuit breaker fails calls at once after so many failures in a row,
    `on_unreachable` is `"deny"`, `"allow"` or `"allow_up_to:5000:TOKENS"`, and
    `settlement="background"` does not wait for the commit. `heartbeat_policy` says
    what a lost lease means for the work, `extend_timeout` how long one extension may
    take, and `ca_file` names certificates to trust (docs/connecting.md).
    """

    base_url: str
    api_key: str = field(repr=False)
    tenant: str | None = None
    workspace: str | None = None
    app: str | None = None
    workflow: str | None = None
    agent: str | None = None
    toolset: str | None = None
    connect_timeout: float = 2.0
    read_timeout: float = 5.0
    retry_enabled: bool = True
    retry_max_attempts: int = 5
    retry_initial_delay: float = 0.5
    retry_multiplier: float = 2.0
    retry_max_delay: float = 30.0
    retry_flush_timeout: float = 10.0
    journal_enabled: bool = True
    journal_dir: str | os.PathLike[str] | None = None
    journal_sync: Literal["power", "process"] = "power"
    nested: Literal["own", "inherit", "forbid"] = "own"
    settlement: Literal["inline", "background"] = "inline"
    call_timeout: float | None = None
    circuit_breaker_failures: int = 10
    circuit_breaker_cooldown: float = 5.0
    on_unreachable: str = "deny"
    heartbeat_policy: Literal["warn", "fail_on_finalize", "cancel"] = "warn"
    extend_timeout: float | None = None
    ca_file: str | os.PathLike[str] | None = None

    @classmethod
    def from_env(cls, prefix: str = "CYCLES_") -> CyclesConfig:
        """Reads `CYCLES_BASE_URL`, `CYCLES_API_KEY` and the optional rest.

        Raises `CyclesConfigError` naming the variable that is missing or does
        not parse.
        """
        document = json.loads(_native.config_from_env(prefix))
        values = {name: document[name] for name in _AS_THEY_ARE if document.get(name) is not None}
        for name, native_name in _SECONDS.items():
            if document.get(native_name) is not None:
                values[name] = document[native_name] / 1000
        return cls(base_url=document["base_url"], api_key=document["api_key"], **values)

    def to_native(self) -> str:
        """The JSON document that the native module takes."""
        return json.dumps({"base_url": self.base_url, "api_key": self.api_key, **self._options()})

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {name: getattr(self, name) for name in _AS_THEY_ARE}
        for name in ("journal_dir", "ca_file"):
            options[name] = None if options[name] is None else os.fspath(options[name])
        for name, native_name in _SECONDS.items():
            if getattr(self, name) is None and name in _UNSET:
                options[native_name] = None
            else:
                options[native_name] = milliseconds(name, getattr(self, name))
        return options


def milliseconds(name: str, seconds: float) -> int:
    """Seconds as whole milliseconds; refuses what is not a duration."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise CyclesConfigError(f"{name} must be a number of seconds value={seconds!r}")
    if not math.isfinite(seconds) or seconds < 0:
        raise CyclesConfigError(f"{name} must be a finite number of seconds, zero or more value={seconds!r}")
    return round(seconds * 1000)
