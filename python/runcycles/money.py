"""Amounts of money without floats."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from runcycles.enums import Unit
from runcycles.exceptions import CyclesValidationError

if TYPE_CHECKING:
    from runcycles.models import Amount

MICROCENTS_PER_DOLLAR = 100_000_000
INT64_MAX = 2**63 - 1


def usd(dollars: str | int | Decimal) -> Amount:
    """Dollars as an exact amount: `usd("0.01")` is 1,000,000 USD_MICROCENTS.

    Raises `CyclesValidationError` for what is not a whole number of microcents,
    and for floats, because 0.1 is not a tenth of a dollar.
    """
    if isinstance(dollars, bool) or not isinstance(dollars, str | int | Decimal):
        raise CyclesValidationError(f"dollars must be a string, an int or a Decimal value={dollars!r}")
    try:
        exact = Decimal(dollars) * MICROCENTS_PER_DOLLAR
        whole = exact == int(exact)
    except (ArithmeticError, ValueError) as error:
        raise CyclesValidationError(f"dollars must be a decimal number value={dollars!r}") from error
    if not whole or not 0 <= exact <= INT64_MAX:
        raise CyclesValidationError(
            f"dollars must be a whole number of microcents, zero or more value={dollars!r}"
        )
    return microcents(int(exact))


def microcents(number: int) -> Amount:
    """`number` hundred-millionths of a dollar as an amount; the unit of `usd`.

    Raises `CyclesValidationError` for what is not an int from zero to 2**63 - 1.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= INT64_MAX:
        raise CyclesValidationError(f"microcents must be an int, zero or more value={number!r}")
    from runcycles.models import Amount

    return Amount(unit=Unit.USD_MICROCENTS, amount=number)
