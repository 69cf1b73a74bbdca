"""Against a store that works out each signature by code of its own, and back to a folder of journals."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Protocol

import pytest

from gateway.audit.assemble import assemble
from gateway.audit.note import SigningKey
from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.s3 import S3Sink
from gateway.audit.ship.s3_store import Bucket, S3Store
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Source
from gateway.audit.verify import verify
from gateway.domain.target import Secret

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Start = Callable[..., Shipping]


class Store(Protocol):
    objects: dict[str, bytes]
    faults: list[int]
    calls: list[str]
    hang: Event
    bucket: Bucket

    def download(self, folder: Path) -> Path: ...


@pytest.fixture
async def start(places: Places, store: Store, pace: Pace) -> AsyncIterator[Start]:
    """Begin shipping, as a process that starts; ``batch`` records at once, to another ``bucket``."""
    made: list[Shipping] = []

    def make(batch: int = 100, bucket: Bucket | None = None) -> Shipping:
        beside = Cursor(places.ship / "bucket.beside.json", 0.0)
        sink = S3Sink("bucket", S3Store(bucket or store.bucket), places, beside)
        made.append(Shipping("bucket", sink, Cursor(places.ship / "bucket.json", 0.0), batch, pace))
        return made[-1]

    yield make
    for shipping in made:
        await shipping.close()


@pytest.fixture
def brought_back(store: Store, tmp_path: Path) -> Callable[[], Path]:
    """The folder of journals that the bucket's objects make."""
    made: list[Path] = []

    def bring() -> Path:
        made.append(tmp_path / f"back-{len(made)}")
        assemble(store.download(tmp_path / f"objects-{len(made)}"), made[-1])
        return made[-1]

    return bring


async def all_of(shipping: Shipping, source: Source) -> None:
    while await shipping.go(source.look()):
        pass


def files(root: Path) -> dict[str, bytes]:
    """What is evidence in a folder of journals: an empty file of checkpoints is none."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for part in ("registry", "epochs")
        for path in (root / part).rglob("*")
        if path.is_file() and (path.stat().st_size or path.name != "checkpoints")
    }


async def test_what_is_brought_back_is_the_same_byte_for_byte_and_whole(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], signing_key: SigningKey,
    begin: Begin, fill: Fill, attest: Attest, finish: Finish,
) -> None:  # fmt: skip
    closed, sealed, _empty, live = begin(), begin(), begin(), begin()
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
    folder = brought_back()
    assert files(folder) == files(places.root)
    report = verify(Places(folder), [signing_key.verifier])
    assert (report.records, report.signed, report.epochs) == (900, 900, 4)
    assert report.whole
    # Another process finds all of it done, but for what is behind the last line.
    store.calls.clear()
    await all_of(start(), Source(places))
    assert [call.split()[0] for call in store.calls] == ["PUT", "GET"]


async def test_objects_are_in_the_order_of_the_bytes_under_the_logs_own_name(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill
) -> None:
    epoch = begin()
    fill(epoch, 25)
    await all_of(start(batch=10), Source(places))
    log = f"/evidence/gate%20ways/{epoch.epoch}"
    journal = sorted(name for name in store.objects if "/journal/" in name)
    assert b"".join(store.objects[name] for name in journal) == epoch.journal.read_bytes()
    assert journal[0] == f"{log}/epochs/{epoch.epoch}/journal/0000000000000000"
    assert [len(journal), *sorted(set(store.objects) - set(journal))] == [3, f"{log}/registry/00000001"]


@pytest.mark.parametrize(("before", "after"), [(10, 25), (25, 10), (10, 10), (7, 1000), (1000, 7)])
async def test_batches_that_are_cut_otherwise_after_a_crash_leave_no_gap_and_are_no_dispute(
    start: Start, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture, before: int, after: int,
) -> None:  # fmt: skip
    epoch = begin()
    fill(epoch, 90)
    attest(epoch)
    await all_of(start(batch=before), Source(places))
    # Whoever was killed had nothing of it written down.
    for cursor in places.ship.glob("*.json"):
        cursor.unlink()
    fill(epoch, 60)
    attest(epoch)
    shipping = start(batch=after)
    with caplog.at_level(logging.WARNING):
        await all_of(shipping, Source(places))
    assert shipping.unshipped(Source(places).look()) == 0
    assert files(brought_back()) == files(places.root)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_was_lost_is_filled_up_once_the_cursors_are_taken_away(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill,
    attest: Attest,
) -> None:  # fmt: skip
    epoch = begin()
    fill(epoch, 50)
    attest(epoch)
    await all_of(start(batch=10), Source(places))
    for name in sorted(store.objects)[::2]:
        del store.objects[name]
    for cursor in places.ship.glob("bucket*.json"):
        cursor.unlink()
    await all_of(start(batch=15), Source(places))
    assert files(brought_back()) == files(places.root)


async def test_history_that_was_written_anew_does_not_replace_what_was_put(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, other = begin(), begin()
    fill(epoch, 50)
    attest(epoch)
    await all_of(start(), Source(places))
    before = dict(store.objects)
    epoch.journal.write_bytes(epoch.journal.read_bytes().replace(b'"time":7,', b'"time":8,'))
    epoch.checkpoints.write_bytes(b"")
    attest(epoch)
    first = places.registry / "00000002"
    first.write_bytes(first.read_bytes().replace(b"opened", b"Opened"))
    for cursor in places.ship.glob("*.json"):
        cursor.unlink()
    fill(other, 5)
    begin()
    again = start()
    await all_of(again, Source(places))
    assert {name: store.objects[name] for name in before} == before
    assert len(store.objects) == len(before) + 2
    assert again.unshipped(Source(places).look()) == 50
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2
    assert "registry/00000002 of bucket is not what stands here" in told[0]
    assert "neither is changed" in told[1]
    # The next process says so again.
    caplog.clear()
    await all_of(start(), Source(places))
    assert sorted(record.getMessage() for record in caplog.records if record.levelname == "ERROR") == sorted(told)


@pytest.mark.parametrize(("status", "for_good"), [(400, True), (403, True), (409, False), (500, False), (503, False)])
async def test_a_refusal_is_no_success_and_all_gets_there_afterwards(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill,
    attest: Attest, status: int, for_good: bool,
) -> None:  # fmt: skip
    epoch, source = begin(), Source(places)
    fill(epoch, 30)
    attest(epoch)
    shipping, told = start(batch=10), list[tuple[str, bool]]()
    for _ in range(5):
        # Each time one more is taken before, so that no kind of object is spared.
        store.faults = [status] if not told else [0, status]
        try:
            await all_of(shipping, source)
        except NotTaken as failure:
            told.append((failure.reason, failure.for_good))
    assert told == [(f"HTTP {status}", for_good)] * 5
    await all_of(shipping, source)
    assert files(brought_back()) == files(places.root)


async def test_a_comparison_that_fails_is_no_success(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill
) -> None:
    fill(begin(), 5)
    await all_of(start(), Source(places))
    (places.ship / "bucket.json").unlink()
    shipping = start()
    store.faults = [0, 503]
    with pytest.raises(NotTaken, match="HTTP 503"):
        await all_of(shipping, Source(places))
    assert shipping.unshipped(Source(places).look()) == 5


async def test_wrong_credentials_are_refused_and_not_told(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill
) -> None:
    fill(begin(), 5)
    key = replace(store.bucket.key, secret_access_key=Secret("planted-wrong"))
    with pytest.raises(NotTaken) as caught:
        await all_of(start(bucket=replace(store.bucket, key=key)), Source(places))
    assert (caught.value.reason, caught.value.for_good, store.objects) == ("HTTP 403", True, {})


async def test_a_store_that_answers_too_late_may_have_taken_it(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill,
    until: Callable[[Callable[[], bool]], Awaitable[None]],
) -> None:  # fmt: skip
    fill(begin(), 30)
    shipping = start(bucket=replace(store.bucket, timeout_s=0.2))
    store.hang.set()
    with pytest.raises(NotTaken, match="in time"):
        await all_of(shipping, Source(places))
    store.hang.clear()
    await until(lambda: bool(store.objects))
    await all_of(shipping, Source(places))
    assert files(brought_back()) == files(places.root)


async def test_an_empty_object_in_the_place_of_one_is_a_dispute(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill
) -> None:
    epoch = begin()
    name = f"/evidence/gate%20ways/{epoch.epoch}/epochs/{epoch.epoch}/journal/0000000000000000"
    store.objects[name] = b""
    fill(epoch, 5)
    shipping = start()
    await all_of(shipping, Source(places))
    assert (shipping.unshipped(Source(places).look()), store.objects[name]) == (5, b"")


async def test_checkpoints_that_differ_are_told_of_once_and_hold_up_no_record(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill, attest: Attest,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    epoch, source, shipping = begin(), Source(places), start()
    name = f"/evidence/gate%20ways/{epoch.epoch}/epochs/{epoch.epoch}/checkpoints/0000000000000000"
    store.objects[name] = b"another"
    for _ in range(3):
        fill(epoch, 5)
        attest(epoch)
        await all_of(shipping, source)
    assert [named for named in store.objects if "checkpoints" in named] == [name]
    assert (store.objects[name], shipping.unshipped(source.look())) == (b"another", 0)
    assert [record.getMessage() for record in caplog.records] == [
        f"audit: shipping: {epoch.epoch}/checkpoints of bucket is not what stands here; verify both"
    ]


async def test_a_record_larger_than_a_batch_is_an_object_of_its_own(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill
) -> None:
    epoch = begin()
    fill(epoch, 2)
    fill(epoch, 1, size=3_000_000)
    fill(epoch, 2)
    await all_of(start(), Source(places))
    (places.ship / "bucket.json").unlink()
    await all_of(start(), Source(places))
    assert max(len(content) for content in store.objects.values()) > 3_000_000
    assert files(brought_back()) == files(places.root)


async def test_what_is_pruned_stays_in_the_bucket_and_no_other_epoch_is_made_up(
    start: Start, store: Store, places: Places, brought_back: Callable[[], Path], begin: Begin, fill: Fill,
    attest: Attest, finish: Finish,
) -> None:  # fmt: skip
    shipped, never = begin(), begin()
    for epoch in (shipped, never):
        fill(epoch, 5)
        attest(epoch)
        finish(epoch, "closed")
    finish(never, "pruned")
    await all_of(start(), Source(places))
    journal = shipped.journal.read_bytes()
    finish(shipped, "pruned")
    await all_of(start(), Source(places))
    back = Places(brought_back())
    assert back.epoch(shipped.epoch).journal.read_bytes() == journal
    assert not back.epoch(never.epoch).journal.exists()
    assert back.epoch(never.epoch).checkpoints.read_bytes() == never.checkpoints.read_bytes()
    # What was put is not looked at anew by each process, though it has no cursor of records any more.
    store.calls.clear()
    await all_of(start(), Source(places))
    assert store.calls == []


async def test_a_registry_without_a_beginning_waits(
    start: Start, store: Store, places: Places, begin: Begin, fill: Fill
) -> None:
    fill(begin(), 5)
    source = Source(places)
    seen = source.look()
    (places.registry / "00000001").unlink()
    with pytest.raises(NotTaken, match="splitgate audit verify"):
        await start().go(seen)
    assert store.objects == {}
