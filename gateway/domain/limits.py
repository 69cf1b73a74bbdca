"""Which limits and budgets are there, whom are they counted for, and what do tokens cost?

What the configuration says of them, in whole numbers. Money is in millionths of the currency's unit, prices in those
for a million tokens: what a request costs is then a sum of products, rounded up once.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, assert_never

from gateway.domain.quota import Calendar, InProgress, Measure, Sliding, Window
from gateway.domain.value import value

# Millionths of a unit in one unit of money; and the tokens that a price is for.
MILLION: Final = 1_000_000
# From this length on a window is counted over all processes of a machine, and outlives them.
LONG_S: Final = 3600
_LENGTHS: Final = ((3600, "hour"), (60, "minute"), (1, "second"))


class Per(StrEnum):
    """Whom a rule is counted apart for."""

    KEY = "key"
    TENANT = "tenant"
    MODEL = "model"
    GATEWAY = "gateway"


@value
class Allowance:
    """So much of ``measure`` in ``window``."""

    measure: Measure
    window: Window
    amount: int


@value
class LimitRule:
    """One rule of the configuration.

    It stands for requests whose key, tenant, model and route match the globs, each None where it stands for all. What
    it allows is counted once for each combination of what ``per`` names.
    """

    name: str
    per: tuple[Per, ...]
    allows: tuple[Allowance, ...]
    keys: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    routes: frozenset[str] | None = None

    def stands_for(self, key: str, tenant: str, model: str, route: str) -> bool:
        """Whether a request of these is counted."""
        return (
            (self.routes is None or route in self.routes)
            and _matches(key, self.keys)
            and _matches(tenant, self.tenants)
            and _matches(model, self.models)
        )

    def covers(self, model: str) -> bool:
        """Whether it may stand for requests of a model."""
        return _matches(model, self.models)

    def subject(self, key: str, tenant: str, model: str) -> str:
        """Whom it is counted for: no two combinations have one name, since only a model's can hold a slash."""
        names = {Per.KEY: key, Per.TENANT: tenant, Per.MODEL: model}
        return "/".join([f"{per}:{names[per]}" if per in names else per.value for per in self.per])

    @property
    def own(self) -> bool:
        """Whether nobody but one tenant uses what a subject has, so that its holder may be told how much is left."""
        return Per.KEY in self.per or Per.TENANT in self.per


@value
class Price:
    """What a million tokens cost: those read from a vendor's cache, and those put there, have prices of their own."""

    input: int
    output: int
    cached_input: int
    cache_write: int

    def of(self, fresh: int, output: int, *, cached: int = 0, written: int = 0) -> int:
        """What so many tokens cost, rounded up; ``fresh`` is the input without what was cached or written."""
        whole = fresh * self.input + output * self.output + cached * self.cached_input + written * self.cache_write
        return -(-whole // MILLION)


FREE: Final = Price(input=0, output=0, cached_input=0, cache_write=0)


@value
class Limits:
    """All of it. ``prices`` are those of targets, by their ids: of every one that a budget may cover."""

    rules: tuple[LimitRule, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    currency: str = "USD"
    assumed_output_tokens: int = 1024


def in_words(allowance: Allowance, currency: str) -> str:
    """``60 requests per minute``, ``12.5 USD per day``, ``3 requests at once``."""
    match allowance.measure:
        case Measure.CONCURRENT:
            return f"{allowance.amount} requests at once"
        case Measure.MONEY:
            amount = f"{money_in_words(allowance.amount)} {currency}"
        case Measure.REQUESTS | Measure.TOKENS:
            amount = f"{allowance.amount} {allowance.measure}"
        case _:
            assert_never(allowance.measure)
    return f"{amount} per {window_in_words(allowance.window)}"


def money_in_words(amount: int) -> str:
    """Millionths as an amount: ``0.5``, ``50``."""
    whole, rest = divmod(amount, MILLION)
    return f"{whole}.{rest:06}".rstrip("0") if rest else str(whole)


def is_long(window: Window) -> bool:
    """Whether it is counted over all processes of a machine, and outlives them."""
    return isinstance(window, Calendar) or (isinstance(window, Sliding) and window.seconds >= LONG_S)


def window_in_words(window: Window) -> str:
    """``minute``, ``15 minutes``, ``day``; ``at once`` for what is in progress."""
    match window:
        case InProgress():
            return "at once"
        case Calendar():
            return window.unit
        case Sliding():
            length, word = next((length, word) for length, word in _LENGTHS if not window.seconds % length)
            count = window.seconds // length
            return word if count == 1 else f"{count} {word}s"
        case _:
            assert_never(window)


def _matches(name: str, globs: tuple[str, ...] | None) -> bool:
    return globs is None or any(fnmatchcase(name, glob) for glob in globs)
