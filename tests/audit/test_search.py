"""Searching: every record that is meant, in the order of time, and a word on what could not be read."""

import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.line import Fields, Value, canonical
from gateway.audit.places import Places, event_of
from gateway.audit.search import Passed, Wanted, began, found, last_time, text_of, time_of

NOON = 1_785_585_600_000_000
SECOND = 1_000_000

Record = dict[str, Value]
Write = Callable[..., str]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def write_epoch(places: Places, second: int, records: Iterable[Record], tail: bytes = b"", number: int = 0) -> str:
    """An epoch that began so many seconds after noon; times of records count from there as well."""
    start = datetime.fromtimestamp(NOON // SECOND + second, UTC).strftime("%Y%m%dT%H%M%SZ")
    epoch = places.epoch(f"{start}-{number:08x}")
    epoch.folder.mkdir(parents=True)
    lines = [
        canonical({"v": 1, "event": event_of(epoch.epoch, n), "phase": "outcome", **one, "time": _time(one)})
        for n, one in enumerate(records)
    ]
    epoch.journal.write_bytes(b"".join([line + b"\n" for line in lines]) + tail)
    return epoch.epoch


def _time(record: Record) -> int:
    seconds = record.get("time", 0)
    assert isinstance(seconds, int)
    return NOON + seconds * SECOND


@pytest.fixture
def write(places: Places) -> Write:
    return partial(write_epoch, places)


def requests(records: Iterable[Fields]) -> list[str]:
    return [text_of(record, "request") for record in records]


RICH: Record = {
    "request": "ab12", "model": "big", "decision": "block", "actor": {"key": "k", "tenant": "acme"},
    "subject": "1" * 32, "segments": [{"id": "s1", "subject": "2" * 32}, {"id": "s2"}],
    "findings": [{"policy": "base", "rule": "secrets"}, {"rule": "reserved"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "near_miss"),
    [
        (Wanted(request="ab12"), Wanted(request="ab13")),
        (Wanted(request="ab"), Wanted(request="b12")),
        (Wanted(model="big"), Wanted(model="bi")),
        (Wanted(decision="block"), Wanted(decision="redact")),
        (Wanted(phase="outcome"), Wanted(phase="intent")),
        (Wanted(tenant="acme"), Wanted(tenant="k")),
        (Wanted(subject="1" * 32), Wanted(subject="3" * 32)),
        (Wanted(subject="2" * 32), Wanted(subject="")),
        (Wanted(rule="secrets"), Wanted(rule="base")),
        (Wanted(rule="base/secrets"), Wanted(rule="base/reserved")),
        (Wanted(rule="reserved"), Wanted(rule="s1")),
        (Wanted(since=NOON), Wanted(since=NOON + 1)),
        (Wanted(until=NOON + 1), Wanted(until=NOON)),
        (Wanted(tenant="acme", decision="block"), Wanted(tenant="acme", decision="allow")),
        (Wanted(), Wanted(request="x")),
    ],
)
def test_a_record_is_found_by_what_it_has(write: Write, places: Places, wanted: Wanted, near_miss: Wanted) -> None:
    write(0, [RICH])
    assert requests(found(places, wanted, Passed())) == ["ab12"]
    assert requests(found(places, near_miss, Passed())) == []


def test_what_is_no_request_has_a_tenant_too(write: Write, places: Places) -> None:
    write(0, [{"phase": "erasure", "tenant": "acme", "subject": "1" * 32}])
    assert len(list(found(places, Wanted(tenant="acme", subject="1" * 32), Passed()))) == 1


@pytest.mark.parametrize("odd", [{"findings": "x"}, {"segments": ["x", 1]}, {"actor": 3}, {"subject": []}])
def test_a_record_of_odd_shape_is_no_reason_to_fail(write: Write, places: Places, odd: Record) -> None:
    write(0, [odd])
    for wanted in (Wanted(rule="r"), Wanted(subject="s"), Wanted(tenant="t"), Wanted(request="r")):
        assert list(found(places, wanted, Passed())) == []


EPOCHS = st.lists(st.tuples(st.integers(0, 100), st.lists(st.integers(0, 100), max_size=8)), min_size=1, max_size=5)


@given(epochs=EPOCHS, since=st.integers(-10, 210), until=st.integers(-10, 210))
def test_epochs_are_one_journal_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, epochs: list[tuple[int, list[int]]], since: int, until: int
) -> None:
    places = Places(tmp_path_factory.mktemp("journals"))
    everything: list[int] = []
    for number, (second, offsets) in enumerate(epochs):
        times = [second + offset for offset in sorted(offsets)]
        write_epoch(places, second, [{"time": time} for time in times], number=number)
        everything += times
    wanted = Wanted(since=NOON + since * SECOND, until=NOON + until * SECOND)
    told = [(time_of(record) - NOON) // SECOND for record in found(places, wanted, Passed())]
    assert told == sorted([time for time in everything if since <= time < until])


def test_an_epoch_is_opened_when_its_time_comes_and_others_never(write: Write, places: Places) -> None:
    write(0, [{"time": 1}, {"time": 2}])
    write(1000, [{"time": 1001}], number=1)
    late = write(5000, [{"time": 5001}], number=2)
    places.epoch(late).journal.unlink()
    told: list[tuple[int, int]] = []
    records = found(places, Wanted(until=NOON + 2000 * SECOND), Passed(), lambda number, of: told.append((number, of)))
    assert time_of(next(records)) == NOON + SECOND
    assert told == [(1, 2)]
    assert len(list(records)) == 2
    assert told == [(1, 2), (2, 2)]


def test_an_epoch_that_ended_before_is_not_read(write: Write, places: Places) -> None:
    early = write(0, [{"time": 1}])
    write(500, [{"time": 501}], number=1)
    begun: list[int] = []
    wanted = Wanted(since=NOON + 400 * SECOND)
    assert len(list(found(places, wanted, Passed(), lambda _number, of: begun.append(of)))) == 1
    assert begun == [1]
    assert last_time(places.epoch(early)) == NOON + SECOND


def test_a_clock_that_was_set_back_a_little_hides_nothing(write: Write, places: Places) -> None:
    write(0, [{"time": 100, "request": "aa"}, {"time": 70}])
    assert requests(found(places, Wanted(since=NOON + 80 * SECOND), Passed())) == ["aa"]


def test_lines_that_are_no_records_are_counted_and_passed_over(write: Write, places: Places) -> None:
    good = canonical({"event": "e", "time": NOON, "request": "bb"}) + b"\n"
    write(
        0, [{"request": "aa"}],
        tail=b"no json\n[]\n{}\n{ }\n" + canonical({"event": 1, "time": 2}) + b"\n" + good + b"torn {",
    )  # fmt: skip
    passed = Passed()
    assert requests(found(places, Wanted(), passed)) == ["aa", "bb"]
    assert (passed.lines, passed.epochs) == (5, [])


def test_lines_without_the_bytes_asked_for_are_not_looked_at(write: Write, places: Places) -> None:
    write(0, [{"request": "aa"}, {"request": "bb"}], tail=b"no json\n")
    passed = Passed()
    assert requests(found(places, Wanted(), passed, only=b'"request":"bb')) == ["bb"]
    assert passed.lines == 0


def test_a_pruned_epoch_holds_nothing(write: Write, places: Places) -> None:
    places.epoch(write(0, [RICH])).journal.unlink()
    passed = Passed()
    assert list(found(places, Wanted(since=NOON), passed)) == []
    assert passed.epochs == []


@pytest.mark.parametrize("since", [None, NOON])
def test_an_epoch_that_cannot_be_read_is_told_of(write: Write, places: Places, since: int | None) -> None:
    epoch = write(0, [RICH])
    places.epoch(epoch).journal.unlink()
    places.epoch(epoch).journal.mkdir()
    write(1, [{"time": 1, "request": "cc"}], number=1)
    passed = Passed()
    assert requests(found(places, Wanted(since=since), passed)) == ["cc"]
    assert [one.partition(":")[0] for one in passed.epochs] == [epoch]


def test_where_there_are_no_journals_there_are_no_records(places: Places) -> None:
    assert list(found(places, Wanted(), Passed())) == []


def test_the_end_of_a_long_journal_is_found_from_behind(write: Write, places: Places) -> None:
    epoch = write(0, [{"time": n, "model": "m" * 1000} for n in range(500)], tail=b"no record\n")
    assert places.epoch(epoch).journal.stat().st_size > 3 * 128 * 1024
    assert last_time(places.epoch(epoch)) == NOON + 499 * SECOND


def test_a_journal_without_records_has_no_end(write: Write, places: Places) -> None:
    assert last_time(places.epoch(write(0, [], tail=b"no record\n"))) is None
    assert len(list(found(places, Wanted(since=NOON), Passed()))) == 0


def test_a_name_that_holds_no_date_is_read_first() -> None:
    assert began("20260801T120000Z-00000000") == NOON
    assert began("20269901T120000Z-00000000") == 0


def test_memory_does_not_grow_with_the_journal(write: Write, places: Places) -> None:
    for number in range(4):
        write(number, [{"time": number + n, "model": "m" * 1000} for n in range(2000)], number=number)
    size = sum([one.journal.stat().st_size for one in places.epochs()])
    tracemalloc.start()
    assert sum([1 for _ in found(places, Wanted(), Passed())]) == 8000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 8_000_000
    assert peak < 1_500_000
