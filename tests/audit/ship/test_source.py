import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.source import EpochSeen, Source

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]


def seen(source: Source, epoch: EpochPlaces) -> EpochSeen:
    return source.look().epochs[epoch.epoch]


def test_a_folder_that_is_not_there_holds_nothing(places: Places) -> None:
    found = Source(Places(places.root / "later")).look()
    assert (dict(found.epochs), found.entries) == ({}, 0)


def test_a_journal_is_followed_as_it_grows(places: Places, begin: Begin, fill: Fill, attest: Attest) -> None:
    epoch, source = begin(), Source(places)
    assert seen(source, epoch).records == 0
    for count in (1, 5, 0, 2000):
        fill(epoch, count)
        found = seen(source, epoch)
        assert found.size == found.whole == epoch.journal.stat().st_size
        assert found.records == epoch.journal.read_bytes().count(b"\n")
    attest(epoch)
    assert seen(source, epoch).notes == epoch.checkpoints.stat().st_size
    assert not seen(source, epoch).settled


def test_half_a_line_is_not_whole_until_it_is_finished(places: Places, begin: Begin, fill: Fill) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 2)
    whole = epoch.journal.stat().st_size
    with epoch.journal.open("ab") as file:
        file.write(b'{"half')
    assert (seen(source, epoch).whole, seen(source, epoch).records) == (whole, 2)
    with epoch.journal.open("ab") as file:
        file.write(b'":1}\n')
    assert (seen(source, epoch).whole, seen(source, epoch).records) == (whole + 11, 3)


def test_new_epochs_are_found(places: Places, begin: Begin, fill: Fill) -> None:
    source = Source(places)
    epochs: list[EpochPlaces] = []
    for count in range(1, 4):
        epochs.append(begin())
        fill(epochs[-1], count)
        assert {name: one.records for name, one in source.look().epochs.items()} == {
            epoch.epoch: number for number, epoch in enumerate(epochs, start=1)
        }


def test_epochs_stand_as_they_were_opened(places: Places, register: Callable[..., None]) -> None:
    names = [f"20260102T0304{second}Z-0123abcd" for second in ("09", "01", "05")]
    for name in (*names, "20260102T030400Z-0123abcd"):
        epoch = places.epoch(name)
        epoch.folder.mkdir(parents=True)
        epoch.journal.write_bytes(b"x\n")
    for name in names:
        register("opened", name, process="worker")
    assert list(Source(places).look().epochs) == [*names, "20260102T030400Z-0123abcd"]


def test_no_record_is_seen_without_the_entry_that_was_made_before_it(
    places: Places, begin: Begin, fill: Fill, register: Callable[..., None]
) -> None:
    first, late = begin(), places.epoch("20260102T030499Z-0123abcd")
    late.folder.mkdir()
    fill(first, 1)

    def meanwhile(path: Path) -> None:
        # The other epoch has been found by now, and is looked at next.
        if path == first.journal:
            register("opened", late.epoch, process="worker")
            fill(late, 1)

    found = Source(places, flush=meanwhile).look()
    assert (found.epochs[late.epoch].records, found.entries) == (1, 2)


def test_a_closed_epoch_is_counted_by_the_registry(places: Places, begin: Begin, fill: Fill, finish: Finish) -> None:
    epoch = begin()
    fill(epoch, 7)
    finish(epoch, "closed")
    found = seen(Source(places), epoch)
    assert (found.records, found.whole, found.settled) == (7, epoch.journal.stat().st_size, True)


@pytest.mark.parametrize("live", [True, False])
def test_a_sealed_epoch_has_a_torn_end(places: Places, begin: Begin, fill: Fill, finish: Finish, live: bool) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 3)
    whole = epoch.journal.stat().st_size
    with epoch.journal.open("ab") as file:
        file.write(b"torn")
    if live:
        source.look()
    finish(epoch, "sealed", torn=4)
    found = seen(source, epoch)
    assert (found.records, found.whole, found.size, found.settled) == (3, whole, whole + 4, True)


def test_a_pruned_epoch_has_no_records_and_keeps_its_checkpoints(
    places: Places, begin: Begin, fill: Fill, finish: Finish, attest: Attest
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 3)
    attest(epoch)
    finish(epoch, "closed")
    assert seen(source, epoch).records == 3
    finish(epoch, "pruned")
    found = source.look()
    assert found.epochs[epoch.epoch].records == 0
    assert found.epochs[epoch.epoch].notes == epoch.checkpoints.stat().st_size
    assert found.pruned == {epoch.epoch: 3}


def test_what_is_over_is_not_looked_at_until_the_next_rescan(
    places: Places, begin: Begin, fill: Fill, finish: Finish, attest: Attest
) -> None:
    epoch, source, rescanning = begin(), Source(places), Source(places, rescan_s=0.0)
    fill(epoch, 1)
    finish(epoch, "closed")
    for one in (source, rescanning):
        assert seen(one, epoch).notes == 0
    attest(epoch)
    assert seen(source, epoch).notes == 0
    assert seen(rescanning, epoch).notes > 0


def test_a_journal_that_was_cut_or_taken_away_is_told_of_once(
    places: Places, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    cut, gone = begin(), begin()
    source = Source(places)
    for epoch in (cut, gone):
        fill(epoch, 4)
        assert seen(source, epoch).records == 4
    os.truncate(cut.journal, 10)
    gone.journal.unlink()
    for _ in range(3):
        assert seen(source, cut).records == 4
        assert seen(source, gone).records == 4
    assert sorted(record.levelname for record in caplog.records) == ["ERROR", "ERROR"]


def test_an_epoch_that_cannot_be_read_does_not_keep_others_from_being_read(
    places: Places, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = begin(), begin()
    broken.journal.unlink()
    broken.journal.symlink_to(broken.journal)
    fill(whole, 2)
    source = Source(places)
    for _ in range(3):
        assert seen(source, whole).records == 2
    assert len(caplog.records) == 1
    assert broken.epoch in caplog.records[0].getMessage()


def test_a_registry_that_cannot_be_read_is_told_of_once(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    (places.root / "epochs").symlink_to(places.root / "epochs")
    source = Source(places)
    source.look()
    places.registry.rmdir()
    places.registry.symlink_to(places.registry)
    source.look()
    assert len(caplog.records) <= 1


def test_nothing_is_seen_that_was_not_flushed_from_here(
    places: Places, begin: Begin, fill: Fill, attest: Attest, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = begin()
    flushed: dict[str, int] = {}
    failing = [False]

    def flush(path: Path) -> None:
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")
        flushed[path.name] = path.stat().st_size

    source = Source(places, flush=flush)
    for _ in range(3):
        fill(epoch, 2)
        attest(epoch)
        found = seen(source, epoch)
        assert flushed == {"journal": found.size, "checkpoints": found.notes}
    failing[0] = True
    fill(epoch, 2)
    for _ in range(2):
        assert seen(source, epoch).records == 6
    assert len(caplog.records) == 1
    failing[0] = False
    assert seen(source, epoch).records == 8


async def test_whoever_waits_is_told_of_news_and_of_nothing_else(places: Places, begin: Begin, fill: Fill) -> None:
    epoch, source = begin(), Source(places)
    await source.refresh()
    news = source.news
    await source.refresh()
    assert not news.is_set()
    fill(epoch, 1)
    await source.refresh()
    await asyncio.wait_for(news.wait(), 1.0)
    assert not source.news.is_set()
