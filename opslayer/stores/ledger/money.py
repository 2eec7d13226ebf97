"""Money as the ledger adds it up: whole billionths of its unit, so that every sum is exact."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

LARGEST = 1e9
"""The largest budget, in the money's unit: its billionths fit into 64 bits."""


def billionths(amount: float) -> int:
    """An amount in billionths of its unit; a part of one counts as a whole.

    Raises ValueError for an amount that is not finite.
    """
    exact = Decimal(str(amount))
    if not exact.is_finite():
        raise ValueError(f"{amount} is no amount of money")
    return int(exact.scaleb(9).to_integral_value(ROUND_CEILING))


def amount_of(billionths: int) -> float:
    """Billionths in the money's unit, for a person."""
    return billionths / 1_000_000_000
