"""What will a measurement cost?

An estimate before anything is sent: calls, tokens and, where the configuration has prices, money. Input is counted as
a token for four characters of what would be sent, output as all that an answer may take.
"""

from collections.abc import Callable, Sequence
from itertools import islice

from gateway.domain.limits import Price
from gateway.domain.value import value
from gateway.evaluation.case import Case

_CHARACTERS_A_TOKEN = 4
# Laying all of a large set out would take longer than the estimate is worth.
_LOOKED_AT = 200


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
    step = max(1, len(asked) // _LOOKED_AT)
    looked = [length(case, name) for case, name in islice(asked, None, None, step)]
    calls = len(asked)
    given = round(sum(looked) / len(looked) * calls / _CHARACTERS_A_TOKEN) if looked else 0
    taken = calls * max_tokens
    return Estimate(
        calls=calls,
        input_tokens=given,
        output_tokens=taken,
        cost=None if price is None else price.of(given, taken),
    )
