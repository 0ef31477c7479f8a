"""Seeds for an authority in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runcycles.exceptions import CyclesValidationError

if TYPE_CHECKING:
    from runcycles.models import Amount

Seed = str | Mapping[str, Any]


def seed_document(seed: Seed | None, budgets: Mapping[str, Amount | str] | None) -> str:
    """The seed as text: as given, or of these budgets alone."""
    if (seed is None) == (budgets is None):
        raise CyclesValidationError("give either a seed or budgets")
    if isinstance(seed, str):
        return seed
    return json.dumps(seed if seed is not None else {"budgets": budgets}, default=_amount)


def _amount(value: Any) -> dict[str, Any]:
    from runcycles.models import Amount

    if not isinstance(value, Amount):
        raise CyclesValidationError(f"a seed is made of JSON and amounts value={value!r}")
    return {"unit": str(value.unit), "amount": value.amount}
