"""How amounts of resources are spelt when they are stored.

In comes a map as it was sent (`{"cpu": 0.1, "memory": "1024Mi"}`); it is rewritten in place to Kubernetes' canonical
texts (`100m`, `1Gi`), and nothing finer than a thousandth is kept. What is no quantity raises `QuantityError`: the
request could not be read at all, which is not a matter for validation.
"""

from __future__ import annotations

from functools import lru_cache

from everynode.values.quantity import Quantity, canonical

Amount = str | int | float
Amounts = dict[str, Amount]

_NANOS_PER_MILLI = 1_000_000


def store_amounts(amounts: Amounts) -> None:
    """Rewrites every amount of a resource list."""
    for name, amount in amounts.items():
        amounts[name] = stored(amount)


def stored_exactly(amount: Amount) -> str:
    """The canonical text of a single quantity that is not part of a resource list: it is not rounded."""
    return canonical(amount)


@lru_cache(maxsize=4096)
def stored(amount: Amount) -> str:
    """The canonical text of one amount of a resource list, rounded up to whole thousandths."""
    quantity = Quantity.parse(amount)
    if quantity.nanos % _NANOS_PER_MILLI:
        quantity = Quantity.of_milli(quantity.milli_value(), quantity.format)
    return str(quantity)
