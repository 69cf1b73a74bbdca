from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.anchor import Anchored, Forked
from gateway.audit.ship.anchoring import Anchoring
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.source import Source

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Start = Callable[..., Anchoring]


@dataclass
class Kept:
    """An anchor in memory; it fails as ``failures`` say."""

    notes: dict[tuple[str, ...], bytes] = field(default_factory=dict[tuple[str, ...], bytes])
    failures: list[Exception] = field(default_factory=list[Exception])
    closed: bool = False

    async def keep(self, what: Anchored) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if what.contradicts(self.notes.setdefault(what.names, what.note)):
            raise Forked

    async def close(self) -> None:
        self.closed = True

    def sizes(self, part: str) -> list[int]:
        return [int(size) for _, of, size in self.notes if of == part]


@pytest.fixture
def anchor() -> Kept:
    return Kept()


@pytest.fixture
def forks() -> list[bool]:
    return []


@pytest.fixture
def start(places: Places, anchor: Kept, forks: list[bool], pace: Pace) -> Start:
    def make(anchor_s: float = 0.0) -> Anchoring:
        cursor = Cursor(places.ship / "witness.json")
        changed = replace(pace, anchor_s=anchor_s)
        return Anchoring("witness", anchor, cursor, places=places, pace=changed, on_fork=lambda: forks.append(True))

    return make


async def all_of(anchoring: Anchoring, source: Source) -> None:
    while await anchoring.go(source.look()):
        pass


async def test_the_newest_of_an_epoch_and_all_of_the_registry_are_kept_verbatim(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest
) -> None:
    epoch, other, source = begin(), begin(), Source(places)
    for _ in range(3):
        fill(epoch, 2)
        attest(epoch)
    fill(other, 1)
    note = attest(other)
    await all_of(start(), source)
    assert anchor.sizes(epoch.epoch) == [6]
    assert anchor.notes["example.test~audit", other.epoch, f"{1:016d}"] == note
    assert anchor.sizes("registry") == [1, 2]


async def test_one_that_begins_again_goes_on_where_the_last_one_was(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest
) -> None:
    epoch, source, first = begin(), Source(places), start()
    fill(epoch, 2)
    attest(epoch)
    await all_of(first, source)
    await first.close()
    assert anchor.closed
    anchor.notes.clear()
    fill(epoch, 2)
    attest(epoch)
    await all_of(start(), source)
    assert (anchor.sizes(epoch.epoch), anchor.sizes("registry")) == ([4], [])


async def test_an_epoch_that_goes_on_is_anchored_once_in_a_while_and_its_last_for_certain(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch, source, anchoring = begin(), Source(places), start(anchor_s=600.0)
    for _ in range(4):
        fill(epoch, 1)
        attest(epoch)
        await all_of(anchoring, source)
    assert anchor.sizes(epoch.epoch) == [1]
    finish(epoch, "closed")
    await all_of(anchoring, source)
    assert anchor.sizes(epoch.epoch) == [1, 4]


async def test_an_epoch_that_is_sealed_later_is_anchored_to_its_end(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch, source, anchoring = begin(), Source(places), start()
    fill(epoch, 2)
    attest(epoch)
    await all_of(anchoring, source)
    fill(epoch, 3)
    attest(epoch)
    finish(epoch, "sealed")
    await all_of(anchoring, source)
    assert anchor.sizes(epoch.epoch) == [2, 5]


async def test_a_fork_is_counted_and_told_of_once(
    start: Start, places: Places, begin: Begin, fill: Fill, attest: Attest, forks: list[bool],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, anchoring = begin(), start()
    fill(epoch, 10)
    attest(epoch)
    await all_of(anchoring, Source(places))
    await anchoring.close()
    # Somebody who owns journals and key writes history anew.
    epoch.journal.write_bytes(epoch.journal.read_bytes().replace(b'"time":7,', b'"time":8,'))
    epoch.checkpoints.write_bytes(b"")
    attest(epoch)
    (places.ship / "witness.json").unlink()
    again = start()
    for _ in range(3):
        await all_of(again, Source(places))
    assert len(forks) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "forked" in caplog.text


async def test_what_was_not_kept_is_offered_again(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest
) -> None:
    epoch, source, anchoring = begin(), Source(places), start()
    fill(epoch, 2)
    attest(epoch)
    anchor.failures = [NotTaken("HTTP 503")] * 2
    for _ in range(2):
        with pytest.raises(NotTaken):
            await anchoring.go(source.look())
    await all_of(anchoring, source)
    assert (anchor.sizes(epoch.epoch), anchor.sizes("registry")) == ([2], [1])


async def test_a_checkpoint_of_another_log_is_told_of_and_kept_nowhere(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    mine, other = begin(), begin()
    fill(other, 1)
    attest(other)
    mine.checkpoints.write_bytes(other.checkpoints.read_bytes())
    await all_of(start(), Source(places))
    assert anchor.sizes(mine.epoch) == []
    assert anchor.sizes(other.epoch) == [1]
    assert len(caplog.records) == 1


async def test_an_epoch_that_is_pruned_and_gone_is_forgotten(
    start: Start, places: Places, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch, anchoring = begin(), start()
    fill(epoch, 2)
    attest(epoch)
    finish(epoch, "closed")
    await all_of(anchoring, Source(places))
    finish(epoch, "pruned")
    await all_of(anchoring, Source(places))
    assert epoch.epoch in Cursor(places.ship / "witness.json").marks
    for path in epoch.folder.iterdir():
        path.unlink()
    epoch.folder.rmdir()
    await all_of(anchoring, Source(places))
    await anchoring.close()
    assert not Cursor(places.ship / "witness.json").marks


async def test_an_entry_of_the_registry_that_is_gone_is_told_of_and_waited_for(
    start: Start, anchor: Kept, places: Places, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, anchoring = begin(), start()
    fill(epoch, 2)
    attest(epoch)
    seen = Source(places).look()
    entry = places.registry / "00000001"
    kept = entry.read_bytes()
    entry.unlink()
    for _ in range(3):
        await anchoring.go(seen)
    assert (anchor.sizes(epoch.epoch), anchor.sizes("registry")) == ([2], [])
    assert len(caplog.records) == 1
    entry.write_bytes(kept)
    await anchoring.go(seen)
    assert anchor.sizes("registry") == [1]
