"""The client of guarded functions that name none."""

from __future__ import annotations

import threading

from runcycles.client import AnyClient, CyclesClient
from runcycles.config import CyclesConfig
from runcycles.exceptions import CyclesConfigError

_defaults = threading.Lock()
_default_client: AnyClient | None = None
_default_config: CyclesConfig | None = None


def set_default_client(client: AnyClient | None) -> None:
    """Sets the client of guarded functions that name none; it serves sync and async ones alike."""
    global _default_client
    with _defaults:
        _default_client = client


def set_default_config(config: CyclesConfig | None) -> None:
    """Sets the configuration that the default client is made from on first use."""
    global _default_client, _default_config
    with _defaults:
        _default_config = config
        _default_client = None


def default_client() -> AnyClient:
    """The default client; without one, it is made from the default config or the environment."""
    global _default_client
    with _defaults:
        if _default_client is None:
            _default_client = CyclesClient(_default_config or _config_of_environment())
        return _default_client


def _config_of_environment() -> CyclesConfig:
    try:
        return CyclesConfig.from_env()
    except CyclesConfigError as error:
        raise CyclesConfigError(
            f"no client: pass client=, call set_default_client or set_default_config, "
            f"or set CYCLES_BASE_URL and CYCLES_API_KEY; {error}"
        ) from error
