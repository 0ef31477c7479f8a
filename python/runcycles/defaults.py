"""The client of guarded functions that name none."""

from __future__ import annotations

import threading

from runcycles.client import AnyClient, CyclesClient
from runcycles.config import CyclesConfig
from runcycles.exceptions import CyclesConfigError

_defaults = threading.Lock()
_chosen_client: AnyClient | None = None
_config: CyclesConfig | None = None
_made_client: AnyClient | None = None


def set_default_client(client: AnyClient | None) -> None:
    """Sets the client of guarded functions that name none; it serves sync and async ones alike."""
    global _chosen_client
    with _defaults:
        _chosen_client = client


def set_default_config(config: CyclesConfig | None) -> None:
    """Sets the configuration that the default client is made from on first use.

    A client that `set_default_client` has set stays the default.
    """
    global _config, _made_client
    with _defaults:
        _config = config
        _made_client = None


def chosen_client() -> AnyClient | None:
    """What `set_default_client` has set."""
    return _chosen_client


def default_client() -> AnyClient:
    """The default client; without one, it is made from the default config or the environment."""
    global _made_client
    with _defaults:
        if _chosen_client is not None:
            return _chosen_client
        if _made_client is None:
            _made_client = CyclesClient(_config or _config_of_environment())
        return _made_client


def _config_of_environment() -> CyclesConfig:
    try:
        return CyclesConfig.from_env()
    except CyclesConfigError as error:
        raise CyclesConfigError(
            f"no client: pass client=, call set_default_client or set_default_config, "
            f"or set CYCLES_BASE_URL and CYCLES_API_KEY; {error}"
        ) from error
