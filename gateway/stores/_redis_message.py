"""How is what Redis is asked put into one message, and what do its answers mean?

Keys of all buckets begin with one hash tag, ``{PREFIX}``, so that a cluster keeps all of them in one slot: what one
request takes from several buckets is all or nothing only where one script sees them all.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import orjson

from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Portion, Sliding, Taken, Window
from gateway.domain.value import value
from gateway.stores._windows import used_in, wait_s

# Beyond it whole numbers of the script are no longer whole.
MOST: Final = 2**53 - 1
_NOW: Final = "now"

_Row: TypeAlias = list[object]


class Garbled(Exception):
    """An answer is none of the script's."""


@value
class Change:
    """So much more, or less, was used of ``bucket`` in the period with the number ``period``."""

    bucket: Bucket
    period: int
    amount: int


@value
class Place:
    """What ``holder`` has in progress in ``bucket``: ``amount`` places."""

    bucket: Bucket
    holder: str
    amount: int


@value
class Wish:
    """What one request wants to take."""

    holder: str
    wanted: tuple[Portion, ...]


@value
class Answer:
    """What was said to one wish at ``at``, and what is left in its buckets now."""

    said: Taken | Denied
    left: tuple[Portion, ...]
    at: float


class Message:
    """One call of the script: ``keys`` and one argument. Places are kept for ``lease_s`` seconds."""

    def __init__(self, prefix: str, *, lease_s: float) -> None:
        self._prefix = prefix
        self._lease_ms = round(lease_s * 1000)
        self._numbers: dict[str, int] = {}
        self._add: list[_Row] = []
        self._free: list[_Row] = []
        self._keep: list[_Row] = []
        self._take: list[_Row] = []

    @property
    def keys(self) -> Sequence[str]:
        return [*self._numbers]

    @property
    def argument(self) -> bytes:
        asked = {
            "lease": self._lease_ms,
            "add": self._add,
            "free": self._free,
            "keep": self._keep,
            "take": self._take,
        }
        return orjson.dumps(asked)

    def change(self, changes: Iterable[Change]) -> None:
        for one in changes:
            window = one.bucket.window
            self._add.append([self._key(one.bucket), _word(window), one.period, _whole(one.amount)])

    def free(self, places: Iterable[Place]) -> None:
        for one in places:
            self._free.append([self._key(one.bucket), one.holder, one.amount])

    def keep(self, places: Iterable[Place], *, only_known: bool) -> None:
        """Have places stay taken for a while more; without ``only_known`` also those that Redis has lost."""
        for one in places:
            self._keep.append([self._key(one.bucket), one.holder, one.amount, only_known])

    def take(self, wish: Wish) -> None:
        rows: list[_Row] = [
            [self._key(one.bucket), _word(one.bucket.window), _whole(one.amount), _whole(one.bucket.limit)]
            for one in wish.wanted
        ]
        self._take.append([wish.holder, rows])

    def _key(self, bucket: Bucket) -> int:
        key = key_of(self._prefix, bucket)
        return self._numbers.setdefault(key, len(self._numbers) + 1)


def key_of(prefix: str, bucket: Bucket) -> str:
    """The name of the bucket's key. Its limit is no part of it: counts outlive a change of the limit."""
    return f"{{{prefix}}}:{bucket.rule}:{bucket.subject}:{bucket.measure}:{_word(bucket.window)}"


def merged(wanted: tuple[Portion, ...]) -> tuple[Portion, ...]:
    """The same with each bucket named once: the script looks at all before it writes any."""
    amounts: dict[Bucket, int] = {}
    for one in wanted:
        amounts[one.bucket] = amounts.get(one.bucket, 0) + one.amount
    return wanted if len(amounts) == len(wanted) else tuple([Portion(bucket=b, amount=a) for b, a in amounts.items()])


def answer_of(wish: Wish, answer: object) -> Answer:
    """What the script's answer to one request means.

    Raises:
        Garbled: it is none.
    """
    at_ms, fits, *counts = _numbers(answer, 2 + 3 * len(wish.wanted))
    at = at_ms / 1000
    rows = list(zip(wish.wanted, counts[0::3], counts[1::3], counts[2::3], strict=True))
    left = tuple(
        [
            _left(one, present + (one.amount if fits else 0), before, at)
            for one, _, present, before in rows
            if not isinstance(one.bucket.window, InProgress)
        ]
    )
    if fits:
        return Answer(said=Taken(holder=wish.holder, at=at, portions=wish.wanted, left=left), left=left, at=at)
    denied = [_denied(one, present, before, at) for one, lacks, present, before in rows if lacks]
    if not denied:
        raise Garbled
    return Answer(said=max(denied, key=lambda one: one.retry_after_s), left=left, at=at)


def answers_of(answers: object, count: int) -> list[object]:
    """The script's answers to ``count`` requests, not yet looked at.

    Raises:
        Garbled: these are none.
    """
    if not isinstance(answers, list):
        raise Garbled
    found: list[object] = [*answers]  # pyright: ignore[reportUnknownArgumentType]  a list of anything
    if len(found) != count:
        raise Garbled
    return found


def _numbers(answer: object, count: int) -> list[int]:
    return [_number(one) for one in answers_of(answer, count)]


def _number(given: object) -> int:
    if not isinstance(given, int) or given < 0:
        raise Garbled
    return given


def _left(one: Portion, present: int, before: int, at: float) -> Portion:
    used = used_in(one.bucket.window, present=present, before=before, at=at)
    return Portion(bucket=one.bucket, amount=max(0, one.bucket.limit - used))


def _denied(one: Portion, present: int, before: int, at: float) -> Denied:
    return Denied(bucket=one.bucket, retry_after_s=wait_s(one, present=present, before=before, at=at))


def _word(window: Window) -> int | str:
    match window:
        case Sliding(seconds=seconds):
            return seconds
        case Calendar(unit=unit):
            return unit
        case InProgress():
            return _NOW


def _whole(amount: int) -> int:
    return max(-MOST, min(MOST, amount))
