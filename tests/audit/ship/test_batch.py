from collections.abc import Callable

from gateway.audit.places import EpochPlaces
from gateway.audit.ship.batch import MOST_BYTES, next_batch
from gateway.audit.ship.cursor import Mark

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]


def test_batches_in_a_row_are_the_journal(begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 10)
    whole = epoch.journal.stat().st_size
    mark, pieces, firsts = Mark(), b"", list[int]()
    while (batch := next_batch(epoch, mark, whole, 3)) is not None:
        firsts.append(batch.first)
        assert batch.count == len(batch.lines) == batch.content.count(b"\n")
        pieces += batch.content
        mark = batch.end
    assert pieces == epoch.journal.read_bytes()
    assert firsts == [0, 3, 6, 9]
    assert mark == Mark(bytes=whole, records=10)


def test_nothing_beyond_what_is_durable_is_read(begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 1)
    durable = epoch.journal.stat().st_size
    fill(epoch, 1)
    batch = next_batch(epoch, Mark(), durable, 100)
    assert batch is not None
    assert batch.count == 1
    assert next_batch(epoch, batch.end, durable, 100) is None


def test_half_a_line_is_none(begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 1)
    whole = epoch.journal.stat().st_size
    assert next_batch(epoch, Mark(), whole - 1, 100) is None
    with epoch.journal.open("ab") as file:
        file.write(b'{"half')
    batch = next_batch(epoch, Mark(), whole + 6, 100)
    assert batch is not None
    assert len(batch.content) == whole


def test_a_batch_is_bounded_in_bytes_and_a_larger_record_goes_alone(begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 6, MOST_BYTES // 4)
    fill(epoch, 1, 3 * MOST_BYTES)
    fill(epoch, 1)
    whole, mark, counts = epoch.journal.stat().st_size, Mark(), list[int]()
    while (batch := next_batch(epoch, mark, whole, 100)) is not None:
        counts.append(batch.count)
        mark = batch.end
    assert counts == [3, 3, 1, 1]
    assert mark.bytes == whole


def test_a_journal_that_was_cut_gives_nothing(begin: Begin, fill: Fill) -> None:
    epoch = begin()
    fill(epoch, 3)
    whole = epoch.journal.stat().st_size
    epoch.journal.write_bytes(b"")
    assert next_batch(epoch, Mark(bytes=whole // 3, records=1), whole, 100) is None
