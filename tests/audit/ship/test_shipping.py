import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import pytest

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.audit.ship.failure import Disputed, NotTaken, Shortened
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Seen, Source

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]


@dataclass
class Kept:
    """A sink that keeps what it takes; it fails as ``failures`` say, in their order."""

    taken: list[Batch] = field(default_factory=list[Batch])
    offered: list[Batch] = field(default_factory=list[Batch])
    failures: list[Exception | None] = field(default_factory=list[Exception | None])
    order: list[str] = field(default_factory=list[str])
    closed: bool = False

    async def deliver(self, batch: Batch) -> None:
        self.offered.append(batch)
        self.order.append(batch.epoch)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.taken.append(batch)

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        del seen, cursor, disputed
        self.order.append("what goes with them")
        return False

    async def close(self) -> None:
        self.closed = True

    def content(self, epoch: EpochPlaces) -> bytes:
        return b"".join(batch.content for batch in self.taken if batch.epoch == epoch.epoch)


@pytest.fixture
def sink() -> Kept:
    return Kept()


@pytest.fixture
def shipping(sink: Kept, places: Places, pace: Pace) -> Shipping:
    return Shipping("archive", sink, Cursor(places.ship / "archive.json"), 3, pace)


async def all_of(shipping: Shipping, source: Source) -> None:
    """Go on until there is nothing to do."""
    while await shipping.go(source.look()):
        pass


async def test_epochs_come_as_they_were_opened_and_each_in_order(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill
) -> None:
    first, second = begin(), begin()
    fill(first, 7)
    fill(second, 4)
    source = Source(places)
    assert shipping.unshipped(source.look()) == 11
    await all_of(shipping, source)
    assert [(batch.epoch == first.epoch, batch.first, batch.count) for batch in sink.taken] == [
        (True, 0, 3), (True, 3, 3), (True, 6, 1), (False, 0, 3), (False, 3, 1),
    ]  # fmt: skip
    assert sink.content(first) == first.journal.read_bytes()
    assert sink.content(second) == second.journal.read_bytes()
    assert shipping.unshipped(source.look()) == 0


async def test_what_goes_with_the_records_comes_before_those_of_another_epoch(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill
) -> None:
    source, goes_with = Source(places), "what goes with them"
    await all_of(shipping, source)
    sink.order.clear()
    first = begin()
    fill(first, 5)
    await all_of(shipping, source)
    assert sink.order == [goes_with, first.epoch, first.epoch, goes_with]
    sink.order.clear()
    second, third = begin(), begin()
    for epoch in (first, second, third):
        fill(epoch, 1)
    await all_of(shipping, source)
    assert sink.order == [goes_with, first.epoch, goes_with, second.epoch, goes_with, third.epoch, goes_with]


async def test_an_epoch_that_grows_without_end_keeps_no_other_waiting(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill
) -> None:
    busy, other = begin(), begin()
    fill(busy, 9)
    fill(other, 1)
    source = Source(places)
    for _ in range(4):
        await shipping.go(source.look())
        fill(busy, 9)
    assert sink.content(other) == other.journal.read_bytes()


async def test_one_that_begins_again_goes_on_where_the_last_one_was(
    shipping: Shipping, sink: Kept, places: Places, pace: Pace, begin: Begin, fill: Fill
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 5)
    await all_of(shipping, source)
    await shipping.close()
    assert sink.closed
    fill(epoch, 1)
    again = Kept()
    await all_of(Shipping("archive", again, Cursor(places.ship / "archive.json"), 3, pace), source)
    assert [(batch.first, batch.count) for batch in again.taken] == [(5, 1)]


async def test_what_was_not_taken_is_offered_again_as_it_was(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 2)
    sink.failures = [NotTaken("HTTP 500")]
    with pytest.raises(NotTaken):
        await shipping.go(source.look())
    assert shipping.unshipped(source.look()) == 2
    # A third record would fit into the batch: the same bytes under the same key they must be nevertheless.
    fill(epoch, 1)
    await all_of(shipping, source)
    assert sink.offered[0] == sink.offered[1]
    assert sink.content(epoch) == epoch.journal.read_bytes()


async def test_a_disputed_epoch_is_set_aside_told_of_once_and_counted(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    forked, other = begin(), begin()
    fill(forked, 2)
    fill(other, 2)
    source = Source(places)
    sink.failures = [Disputed(), None, Disputed()]
    await all_of(shipping, source)
    assert sink.content(other) == other.journal.read_bytes()
    assert shipping.unshipped(source.look()) == 2
    await asyncio.sleep(0.06)
    await all_of(shipping, source)
    assert len(sink.offered) == 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await asyncio.sleep(0.06)
    await all_of(shipping, source)
    assert sink.content(forked) == forked.journal.read_bytes()


async def test_a_sink_that_lost_something_gets_the_epoch_from_its_beginning(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 5)
    sink.failures = [None, Shortened()]
    await all_of(shipping, source)
    assert [(batch.first, batch.count) for batch in sink.taken] == [(0, 3), (0, 3), (3, 2)]


async def test_a_pruned_epoch_is_forgotten(
    shipping: Shipping, places: Places, begin: Begin, fill: Fill, finish: Finish, caplog: pytest.LogCaptureFixture
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 5)
    await all_of(shipping, source)
    finish(epoch, "closed")
    finish(epoch, "pruned")
    await all_of(shipping, source)
    await shipping.close()
    assert not Cursor(places.ship / "archive.json").marks
    assert not caplog.records


async def test_what_was_pruned_too_early_is_told_of(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill, finish: Finish,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, source = begin(), Source(places)
    fill(epoch, 5)
    sink.failures = [NotTaken("HTTP 500")]
    with pytest.raises(NotTaken):
        await shipping.go(source.look())
    finish(epoch, "closed")
    finish(epoch, "pruned")
    await all_of(shipping, source)
    assert "its last 5 records" in caplog.text
    assert shipping.unshipped(source.look()) == 0


async def test_a_journal_shorter_than_what_was_shipped_is_told_of(
    shipping: Shipping, places: Places, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = begin()
    fill(epoch, 5)
    await all_of(shipping, Source(places))
    content = epoch.journal.read_bytes()
    epoch.journal.write_bytes(content[: content.index(b"\n") + 1])
    for _ in range(2):
        await all_of(shipping, Source(places))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "has more of it" in caplog.text


async def test_a_journal_that_cannot_be_read_holds_up_no_other(
    shipping: Shipping, sink: Kept, places: Places, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    gone, other = begin(), begin()
    fill(gone, 2)
    fill(other, 2)
    seen = Source(places).look()
    gone.journal.unlink()
    for _ in range(3):
        await shipping.go(seen)
    assert sink.content(other) == other.journal.read_bytes()
    assert len(caplog.records) == 1


async def test_a_cursor_ahead_of_a_line_is_at_the_next_one(places: Places, begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 2)
    cursor = Cursor(places.ship / "archive.json")
    cursor.move(epoch.epoch, Mark(bytes=epoch.journal.stat().st_size, records=2))
    assert Shipping("archive", Kept(), cursor, 3, Pace()).unshipped(Source(places).look()) == 0


async def test_a_few_records_wait_for_others_until_nothing_comes_any_more(
    sink: Kept, places: Places, pace: Pace, begin: Begin, fill: Fill
) -> None:
    shipping = Shipping("archive", sink, Cursor(places.ship / "archive.json"), 3, pace, gather_s=3600.0)
    epoch, source = begin(), Source(places)
    fill(epoch, 7)
    await all_of(shipping, source)
    assert [batch.count for batch in sink.taken] == [3, 3]
    assert shipping.unshipped(source.look()) == 1
    shipping.hurry()
    await all_of(shipping, source)
    assert sink.content(epoch) == epoch.journal.read_bytes()
