"""What will a measurement cost?

An estimate before anything is sent: calls, tokens and, where the configuration has prices, money. Input is counted as
a token for four characters of what would be sent, output as all that an answer may take.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.domain.limits import Price
from gateway.domain.value import value
from gateway.evaluation.case import Case

_CHARACTERS_A_TOKEN: Final = 4
# Of each format. Laying all of a large set out would take longer than the estimate is worth.
_LOOKED_AT: Final = 200


@value
class Estimate:
    """``cost`` is in millionths of the currency's unit, None where the target has no price."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: int | None


def estimate(
    asked: Sequence[tuple[Case, str]], length: Callable[[Case, str], int], *, max_tokens: int, price: Price | None
) -> Estimate:
    """``length`` gives the characters that a case in a format has as it is sent; of many cases some are looked at."""
    by_format: dict[str, list[Case]] = {}
    for case, name in asked:
        by_format.setdefault(name, []).append(case)
    characters = sum(_characters(cases, name, length) for name, cases in by_format.items())
    given, taken = round(characters / _CHARACTERS_A_TOKEN), len(asked) * max_tokens
    return Estimate(
        calls=len(asked),
        input_tokens=given,
        output_tokens=taken,
        cost=None if price is None else price.of(given, taken),
    )


def _characters(cases: Sequence[Case], name: str, length: Callable[[Case, str], int]) -> float:
    """Of all of the cases in one format: formats differ by more than cases do."""
    looked = [length(case, name) for case in cases[:: max(1, len(cases) // _LOOKED_AT)]]
    return sum(looked) / len(looked) * len(cases)
