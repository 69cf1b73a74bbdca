"""What Redis has still to be told."""

import pytest

from gateway.domain.quota import Bucket, InProgress, Measure, Sliding
from gateway.stores._owed import Owed, Parcel
from gateway.stores._redis_message import Change, Place

BUCKETS = [
    Bucket(rule=f"r{number}", subject="s", measure=Measure.TOKENS, window=Sliding(seconds=60), limit=10)
    for number in range(4)
]
PLACES = Bucket(rule="c", subject="s", measure=Measure.CONCURRENT, window=InProgress(), limit=10)


def _change(number: int, amount: int, period: int = 7) -> Change:
    return Change(bucket=BUCKETS[number], period=period, amount=amount)


def _place(holder: str) -> Place:
    return Place(bucket=PLACES, holder=holder, amount=1)


def test_sums_are_owed_and_not_what_they_came_of() -> None:
    owed = Owed()
    owed.change([_change(0, 5), _change(0, -2), _change(0, 4, period=8), _change(1, 3), _change(1, -3)])
    assert len(owed) == 2
    assert owed.parcel(10) == Parcel(changes=(_change(0, 3), _change(0, 4, period=8)))
    assert (len(owed), owed.parcel(10)) == (0, Parcel())


def test_a_parcel_holds_the_oldest_and_no_more_than_asked_for() -> None:
    owed = Owed()
    owed.change([_change(number, 1) for number in range(3)])
    owed.free([_place("a"), _place("b")])
    assert owed.parcel(1) == Parcel(changes=(_change(0, 1),), freed=(_place("a"),))
    assert len(owed) == 3


@pytest.mark.parametrize(("sent", "kept"), [(True, (_change(0, 5),)), (False, (_change(0, 5), _change(1, -5)))])
def test_what_may_have_arrived_is_said_again_only_where_it_adds(*, sent: bool, kept: tuple[Change, ...]) -> None:
    owed = Owed()
    owed.change([_change(0, 5), _change(1, -5)])
    owed.free([_place("a")])
    owed.not_taken(owed.parcel(10), sent=sent)
    assert owed.parcel(10) == Parcel(changes=kept, freed=(_place("a"),))


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    owed = Owed(most=2)
    owed.change([_change(0, 1), _change(1, 1), _change(2, 1), _change(1, 1)])
    assert owed.dropped == 1
    owed.free([_place("a"), _place("b"), _place("c")])
    parcel = owed.parcel(10)
    assert parcel.changes == (_change(0, 1), _change(1, 2))
    assert parcel.freed == (_place("b"), _place("c"))
