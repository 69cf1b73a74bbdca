"""How much may be used in a while, and by whom?

The nouns of limits and budgets. All amounts are whole numbers: requests, tokens, requests in progress, and of money
millionths of the configured currency's unit, so that sums are exact wherever they are kept.
"""

from collections.abc import Coroutine, Mapping
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from gateway.domain.value import value


class Measure(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    MONEY = "money"
    CONCURRENT = "concurrent"


@value
class Sliding:
    """The last ``seconds``, at any moment.

    Counted in two fixed windows: all of the present one, and of the one before as much as still lies within reach,
    taken as spread evenly over it.
    """

    seconds: int


@value
class Calendar:
    """The present day or month in UTC: what was used in it is forgotten at its end, and not before."""

    unit: Literal["day", "month"]


@value
class InProgress:
    """Now: what is used is given back at the request's end."""


Window: TypeAlias = Sliding | Calendar | InProgress


@value
class Bucket:
    """One count that is kept: of ``measure``, for one limit and one of those whom it is kept apart for.

    ``limit`` is the most that may stand in it, over all processes and machines. ``rule`` is the limit's name in the
    configuration, ``subject`` whom it is counted for (``key:support-bot``), both of ``[A-Za-z0-9_.:/-]``.
    """

    rule: str
    subject: str
    measure: Measure
    window: Window
    limit: int


@value
class Portion:
    """So much of what a bucket holds."""

    bucket: Bucket
    amount: int


@value
class Taken:
    """What one request has taken: ``at`` (seconds since the epoch) says of which windows. ``holder`` is its id.

    ``left`` is what each bucket holds after it, as far as known, for the caller to be told. ``alone`` is what this
    process has counted by itself in place of those who count for all, in buckets of its own.
    """

    holder: str
    at: float
    portions: tuple[Portion, ...]
    left: tuple[Portion, ...] = ()
    alone: "Taken | None" = None


@value
class Denied:
    """What a request could not have: there is not so much in ``bucket``; in ``retry_after_s`` there may be."""

    bucket: Bucket
    retry_after_s: float


class Counters(Protocol):
    """Keeps the counts of all buckets. Whoever cannot count decides by its settings what then."""

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        """Take all that is wanted, or nothing.

        Raises:
            LimitsUnavailable: nobody can count at present, and nothing may pass uncounted.
        """
        ...

    def settle(self, taken: Taken, used: Mapping[Measure, int]) -> Coroutine[None, None, None] | None:
        """End what was taken: put ``used`` in its place in the buckets of each measure, and free places in progress.

        What was used may be more than what was taken, and more than there is: the next one is denied then. Buckets of
        measures that ``used`` does not name keep what was taken. More than was taken counts in the present window, so
        that what takes long counts at all; less is given back to the window of ``taken.at``, if that still counts. It
        never raises. None says that it is done; where others have to be told first, it is once the coroutine is
        awaited.
        """
        ...
