import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.directory import DirectorySink
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Source

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Start = Callable[[], Shipping]


@pytest.fixture
def start(places: Places, elsewhere: Path, pace: Pace) -> Start:
    """Begin shipping, as a process that starts."""

    def make() -> Shipping:
        sink = DirectorySink("archive", elsewhere, places, 5.0)
        return Shipping("archive", sink, Cursor(places.ship / "archive.json"), 100, pace)

    return make


async def all_of(shipping: Shipping, source: Source) -> None:
    while await shipping.go(source.look()):
        pass


def files(root: Path) -> dict[str, bytes]:
    """What is evidence in a folder of journals: empty files aside, nothing of which was due yet."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for part in ("registry", "epochs")
        for path in (root / part).rglob("*")
        if path.is_file() and path.stat().st_size
    }


def times(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


async def test_the_copy_is_the_same_byte_for_byte(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    closed, sealed, live = begin(), begin(), begin()
    for epoch in (closed, sealed, live):
        fill(epoch, 250)
        attest(epoch)
        fill(epoch, 50)
        attest(epoch)
    finish(closed, "closed")
    with sealed.journal.open("ab") as file:
        file.write(b'{"torn":1')
    finish(sealed, "sealed", torn=9)
    await all_of(start(), Source(places))
    assert files(elsewhere) == files(places.root)
    # Another process finds all of it done.
    before = times(elsewhere)
    await all_of(start(), Source(places))
    assert times(elsewhere) == before


async def test_at_every_moment_the_copy_holds_what_its_checkpoints_and_registry_speak_of(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    first, second = begin(), begin()
    for epoch in (first, second):
        for _ in range(5):
            fill(epoch, 70)
            attest(epoch)
        finish(epoch, "closed")
    copy, shipping, source = Places(elsewhere), start(), Source(places)
    moved = True
    while moved:
        moved = await shipping.go(source.look())
        for epoch in (first, second):
            its = copy.epoch(epoch.epoch)
            records = its.journal.read_bytes().count(b"\n") if its.journal.exists() else 0
            notes = its.checkpoints.read_bytes().count(b"\n\n") // 2 if its.checkpoints.exists() else 0
            assert notes * 70 <= records
        entries = [path.read_bytes() for path in copy.entries()]
        for epoch in (first, second):
            if copy.epoch(epoch.epoch).journal.exists():
                assert any(b'"opened"' in raw and epoch.epoch.encode() in raw for raw in entries)
            if any(b'"closed"' in raw and epoch.epoch.encode() in raw for raw in entries):
                assert copy.epoch(epoch.epoch).journal.read_bytes() == epoch.journal.read_bytes()
                assert copy.epoch(epoch.epoch).checkpoints.read_bytes() == epoch.checkpoints.read_bytes()
    assert files(elsewhere) == files(places.root)


async def test_an_end_that_came_during_a_look_waits_for_the_records_before_it(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch, shipping = begin(), start()
    fill(epoch, 3)

    def meanwhile(path: Path) -> None:
        if path == epoch.journal and not epoch.checkpoints.stat().st_size:
            fill(epoch, 2)
            attest(epoch)
            finish(epoch, "closed")

    source = Source(places, flush=meanwhile)
    seen = source.look()
    assert (seen.entries, seen.epochs[epoch.epoch].records) == (2, 3)
    while await shipping.go(seen):
        pass
    assert len(Places(elsewhere).entries()) == 1
    await all_of(shipping, source)
    assert files(elsewhere) == files(places.root)


@pytest.mark.parametrize("cut", [1, 20, 500])
async def test_what_a_crash_left_in_the_copy_is_continued(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, cut: int
) -> None:
    epoch, source = begin(), Source(places)
    fill(epoch, 30)
    attest(epoch)
    copy = Places(elsewhere).epoch(epoch.epoch)
    copy.folder.mkdir(parents=True)
    copy.journal.write_bytes(epoch.journal.read_bytes()[:-cut])
    copy.checkpoints.write_bytes(epoch.checkpoints.read_bytes()[: -min(cut, 100)])
    await all_of(start(), source)
    assert files(elsewhere) == files(places.root)


async def test_a_copy_that_lost_its_end_is_filled_up(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill
) -> None:
    epoch, source, shipping = begin(), Source(places), start()
    fill(epoch, 250)
    await all_of(shipping, source)
    copy = Places(elsewhere).epoch(epoch.epoch)
    copy.journal.write_bytes(copy.journal.read_bytes()[:777])
    fill(epoch, 1)
    await all_of(shipping, source)
    assert copy.journal.read_bytes() == epoch.journal.read_bytes()


async def test_a_missing_cursor_duplicates_nothing(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill
) -> None:
    epoch, source, shipping = begin(), Source(places), start()
    fill(epoch, 250)
    await all_of(shipping, source)
    await shipping.close()
    (places.ship / "archive.json").unlink()
    fill(epoch, 10)
    await all_of(start(), source)
    assert files(elsewhere) == files(places.root)


async def test_history_that_was_written_anew_does_not_replace_the_copy(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, other, shipping = begin(), begin(), start()
    fill(epoch, 50)
    attest(epoch)
    await all_of(shipping, Source(places))
    await shipping.close()
    before = files(elsewhere)
    # Somebody who owns the journals changes one record, signs it, and has the shipper begin anew.
    epoch.journal.write_bytes(epoch.journal.read_bytes().replace(b'"time":7,', b'"time":8,'))
    epoch.checkpoints.write_bytes(b"")
    attest(epoch)
    (places.ship / "archive.json").unlink()
    fill(other, 5)
    again = start()
    await all_of(again, Source(places))
    after = files(elsewhere)
    assert {name: after[name] for name in before} == before
    assert Places(elsewhere).epoch(other.epoch).journal.read_bytes() == other.journal.read_bytes()
    assert again.unshipped(Source(places).look()) == 50
    assert [record.levelname for record in caplog.records if epoch.epoch in record.getMessage()] == ["ERROR"]


async def test_checkpoints_that_differ_are_left_alone_for_good(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, shipping, source = begin(), start(), Source(places)
    copy = Places(elsewhere).epoch(epoch.epoch)
    copy.folder.mkdir(parents=True)
    copy.checkpoints.write_bytes(b"another")
    for _ in range(3):
        fill(epoch, 5)
        attest(epoch)
        await all_of(shipping, source)
    assert copy.checkpoints.read_bytes() == b"another"
    assert copy.journal.read_bytes() == epoch.journal.read_bytes()
    assert len(caplog.records) == 1


async def test_what_of_ours_cannot_be_read_is_no_failure_of_the_copys(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, shipping, source = begin(), start(), Source(places)
    fill(epoch, 5)
    attest(epoch)
    seen = source.look()
    epoch.checkpoints.unlink()
    (places.registry / "00000001").unlink()
    for _ in range(3):
        await shipping.go(seen)
    assert Places(elsewhere).epoch(epoch.epoch).journal.read_bytes() == epoch.journal.read_bytes()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_a_changed_registry_is_told_of_and_holds_up_no_record(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    first, shipping = begin(), start()
    fill(first, 2)
    await all_of(shipping, Source(places))
    copied = Places(elsewhere).registry / "00000001"
    copied.write_bytes(copied.read_bytes().replace(b"opened", b"Opened"))
    second = begin()
    fill(second, 2)
    await all_of(start(), Source(places))
    assert Places(elsewhere).epoch(second.epoch).journal.read_bytes() == second.journal.read_bytes()
    assert len(Places(elsewhere).entries()) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_an_epoch_without_records_is_one_in_the_copy(
    start: Start, places: Places, elsewhere: Path, begin: Begin, finish: Finish
) -> None:
    epoch, shipping, source = begin(), start(), Source(places)
    await all_of(shipping, source)
    assert Places(elsewhere).epoch(epoch.epoch).journal.read_bytes() == b""
    finish(epoch, "sealed")
    await all_of(shipping, source)
    assert Places(elsewhere).epoch(epoch.epoch).journal.read_bytes() == b""


async def test_a_pruned_epoch_stays_in_the_copy(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch, shipping, source = begin(), start(), Source(places)
    fill(epoch, 5)
    attest(epoch)
    finish(epoch, "closed")
    await all_of(shipping, source)
    journal = epoch.journal.read_bytes()
    finish(epoch, "pruned")
    await all_of(shipping, source)
    assert Places(elsewhere).epoch(epoch.epoch).journal.read_bytes() == journal
    assert len(Places(elsewhere).entries()) == 3


async def test_a_copy_begun_after_pruning_has_what_is_left(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, finish: Finish
) -> None:
    epoch = begin()
    fill(epoch, 5)
    attest(epoch)
    finish(epoch, "closed")
    finish(epoch, "pruned")
    await all_of(start(), Source(places))
    assert files(elsewhere) == files(places.root)


async def test_a_folder_that_is_away_is_not_made_and_gets_all_once_it_is_back(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill
) -> None:
    epoch, shipping, source = begin(), start(), Source(places)
    fill(epoch, 5)
    away = shutil.move(elsewhere, elsewhere.with_name("unmounted"))
    with pytest.raises(NotTaken):
        await shipping.go(source.look())
    shutil.move(away, elsewhere)
    await all_of(shipping, source)
    assert files(elsewhere) == files(places.root)


async def test_a_folder_that_takes_nothing_gets_all_once_it_does(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill
) -> None:
    # Whoever runs as root may write everywhere: a file in the folder's place refuses them as well.
    epoch, shipping, source = begin(), start(), Source(places)
    fill(epoch, 5)
    (elsewhere / "epochs").write_bytes(b"in the way")
    with pytest.raises(NotTaken):
        await shipping.go(source.look())
    assert shipping.unshipped(source.look()) == 5
    (elsewhere / "epochs").unlink()
    await all_of(shipping, source)
    assert files(elsewhere) == files(places.root)


async def test_files_that_went_away_are_made_anew(
    start: Start, places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest
) -> None:
    epoch, shipping, source = begin(), start(), Source(places)
    fill(epoch, 5)
    attest(epoch)
    await all_of(shipping, source)
    shutil.rmtree(elsewhere / "epochs")
    fill(epoch, 5)
    attest(epoch)
    with pytest.raises(NotTaken):
        await all_of(shipping, source)
    await all_of(shipping, source)
    assert files(elsewhere) == files(places.root)
