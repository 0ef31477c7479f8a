"""Seeds for an authority in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runcycles.exceptions import CyclesValidationError

if TYPE_CHECKING:
    from runcycles.models import Amount

Seed = str | Mapping[str, Any]


def seed_document(seed: Seed | None, budgets: Mapping[str, Amount] | None) -> str:
    """The seed as text: as given, or made from the short form."""
    if (seed is None) == (budgets is None):
        raise CyclesValidationError("give either a seed or budgets")
    if budgets is not None:
        return json.dumps(seed_of(budgets))
    return seed if isinstance(seed, str) else json.dumps(seed)


def embedded_config(
    budgets: Mapping[str, Amount] | None, key: str | None, subject_defaults: Mapping[str, str]
) -> str:
    """The native configuration of an embedded client.

    With the short form the first tenant is the default subject, so that a call
    without a subject has one.
    """
    config: dict[str, Any] = dict(subject_defaults)
    if budgets:
        config.setdefault("tenant", tenant_of(next(iter(budgets))))
    if key is not None:
        config["api_key"] = key
    return json.dumps(config)


def seed_of(budgets: Mapping[str, Amount]) -> dict[str, Any]:
    """The seed of the short form: each tenant with a key of its own."""
    tenants = list(dict.fromkeys(tenant_of(scope) for scope in budgets))
    return {
        "tenants": [{"tenant_id": tenant} for tenant in tenants],
        "keys": [
            {"name": tenant, "secret": f"cyc_embedded_{tenant}", "tenant_id": tenant} for tenant in tenants
        ],
        "budgets": [
            {"scope": scope, "unit": str(allocated.unit), "allocated": allocated.amount}
            for scope, allocated in budgets.items()
        ],
    }


def tenant_of(scope: str) -> str:
    """The tenant that a scope begins with."""
    kind, _, rest = scope.partition(":")
    tenant = rest.partition("/")[0]
    if kind != "tenant" or not tenant:
        raise CyclesValidationError(f"a scope starts with its tenant, such as tenant:acme scope={scope!r}")
    return tenant
