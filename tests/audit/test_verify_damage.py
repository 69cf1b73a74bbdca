"""Whatever is done to records is told, by its class and at its place."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verdict import Kind
from gateway.audit.verify import verify

COUNT = 10
Told = Callable[..., set[tuple[str, int | None]]]
Pair = tuple[int, int]
Some = Callable[[Iterable[Pair]], Iterable[Pair]]


@pytest.fixture(params=["closed", "sealed", "unsigned"])
def log(request: pytest.FixtureRequest, new_journals: Any, epochs: Any, problems: Any) -> Any:
    """Ten records under checkpoints of 3, 7 and 10; ``told`` are the problems with other lines in their place.

    ``unsigned`` has three more records that no checkpoint covers, and no end.
    """
    made = new_journals()
    if request.param == "closed":
        epoch, lines = epochs.closed, made.closed(epochs.closed, COUNT, (3, 7, 10))
    elif request.param == "sealed":
        epoch, lines = epochs.sealed, made.sealed(epochs.sealed, COUNT, (3, 7), b'{"cut":"o')
    else:
        epoch, lines = epochs.open, made.open(epochs.open, COUNT + 3, (3, 7, 10))
    torn = b'{"cut":"o' if request.param == "sealed" else b""

    def told(lines: list[bytes], more: bytes = b"") -> set[tuple[str, int | None]]:
        made.damage(epoch, lines, more or torn)
        found = problems(made.root, made.public)
        assert {named for _, named, _ in found} <= {epoch}
        return {(kind, position) for kind, _, position in found}

    assert told(lines) == set()
    return SimpleNamespace(lines=lines, told=told, epoch=epoch, maker=made, state=request.param)


# Rows of pairs are 9, 11 and 15 long: at every eighth each record is met, with other ones than its neighbour.
@pytest.fixture(params=[pytest.param(8, id="some"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)])
def some(request: pytest.FixtureRequest) -> Some:
    """Of the pairs of records those that are tried: one in eight, and all in the long form."""
    return lambda pairs: itertools.islice(pairs, 0, None, request.param)


def others(value: Any) -> Iterator[Any]:
    """Other values than this one, some like it and some not."""
    if isinstance(value, str):
        yield from (value + "x", value[:-1] + chr(ord(value[-1]) ^ 1), "")
    elif isinstance(value, int):
        yield from (value + 1, 0 if value else 2, "text")
    else:
        yield {}
        for key in value:
            yield from (value | {key: other} for other in others(value[key]))


def test_a_record_with_any_field_changed_is_modified(log: Any, changed: Any) -> None:
    # The first and the last, and one on each side of a checkpoint.
    for number in (0, 2, 3, COUNT - 1):
        for name, value in json.loads(log.lines[number]).items():
            for other in others(value):
                line = changed(log.lines[number], **{name: other})
                found = log.told([*log.lines[:number], line, *log.lines[number + 1 :]])
                assert found == {("modified", number)}, (number, name, other)


def test_each_record_that_takes_anothers_number_is_modified(log: Any, some: Some, changed: Any) -> None:
    for number, other in some(itertools.product(range(COUNT), range(COUNT + 5))):
        if number == other:
            continue
        line = changed(log.lines[number], event=f"{log.epoch}.{other}")
        found = log.told([*log.lines[:number], line, *log.lines[number + 1 :]])
        assert found == {("modified", number)}, (number, other)


def test_each_record_that_names_another_before_it_is_modified(log: Any, some: Some, changed: Any, second: Any) -> None:
    for number, other in some(itertools.product(range(COUNT), range(-1, COUNT))):
        prev = "0" * 64 if other < 0 else second.leaf(log.lines[other]).hex()
        line = changed(log.lines[number], prev=prev)
        if line != log.lines[number]:
            found = log.told([*log.lines[:number], line, *log.lines[number + 1 :]])
            assert found == {("modified", number)}, (number, other)


def test_each_record_with_a_field_less_or_more_is_modified(log: Any, changed: Any) -> None:
    for number in range(COUNT):
        fields = json.loads(log.lines[number])
        for name in fields:
            line = json.dumps({k: v for k, v in fields.items() if k != name}, sort_keys=True, separators=(",", ":"))
            found = log.told([*log.lines[:number], line.encode(), *log.lines[number + 1 :]])
            assert found == {("modified", number)}, (number, name)
        line = changed(log.lines[number], more="x")
        assert log.told([*log.lines[:number], line, *log.lines[number + 1 :]]) == {("modified", number)}


def flips(log: Any, numbers: Iterator[int] | range, step: int, masks: tuple[int, ...]) -> None:
    for number in numbers:
        line = log.lines[number]
        for index, mask in itertools.product(range(0, len(line), step), masks):
            other = line[:index] + bytes([line[index] ^ mask]) + line[index + 1 :]
            found = log.told([*log.lines[:number], other, *log.lines[number + 1 :]])
            assert found == {("modified", number)}, (number, index, mask)


def test_a_byte_changed_anywhere_in_a_record_is_modified(log: Any) -> None:
    flips(log, range(0, COUNT, 3), 25, (0x01,))


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_every_byte_changed_in_every_record_is_modified(log: Any) -> None:
    flips(log, range(COUNT), 1, (0x01,))


def test_a_line_feed_that_was_changed_is_told_at_its_record(log: Any) -> None:
    for number in range(COUNT - 1):
        joined = log.lines[number] + b"\x0b" + log.lines[number + 1]
        found = log.told([*log.lines[:number], joined, *log.lines[number + 2 :]])
        assert found == {("modified", number), ("missing", number + 1)}


def test_a_record_broken_in_two_is_modified(log: Any) -> None:
    for number in range(COUNT):
        line = log.lines[number]
        found = log.told([*log.lines[:number], line[:80], line[80:], *log.lines[number + 1 :]])
        assert found == {("modified", number)}, number


def test_each_record_written_otherwise_than_canonically_is_modified(log: Any) -> None:
    for number in range(COUNT):
        line = json.dumps(json.loads(log.lines[number])).encode()
        assert log.told([*log.lines[:number], line, *log.lines[number + 1 :]]) == {("modified", number)}


def test_each_record_taken_out_is_missing(log: Any) -> None:
    for number in range(COUNT):
        assert log.told([*log.lines[:number], *log.lines[number + 1 :]]) == {("missing", number)}


def test_records_taken_out_together_are_missing(log: Any) -> None:
    for start, end in itertools.combinations(range(COUNT + 1), 2):
        found = log.told([*log.lines[:start], *log.lines[end:]])
        if log.state == "unsigned" or end - start < COUNT:
            assert found == {("missing", number) for number in range(start, end)}, (start, end)


def test_a_journal_cut_off_is_missing_what_was_signed(log: Any) -> None:
    for end in range(COUNT):
        assert {("missing", number) for number in range(end, COUNT)} <= log.told(log.lines[:end])


def test_a_journal_cut_off_in_a_line_is_torn_there(log: Any) -> None:
    for end in range(COUNT):
        found = log.told(log.lines[:end], log.lines[end][:50])
        missing = {("missing", number) for number in range(end, COUNT)}
        # While an epoch has no end, a torn line at its end is no problem of its own: what is missing is.
        assert found == (missing if log.state == "unsigned" else {*missing, ("torn-tail", end)}), end


def test_any_two_records_that_changed_places_are_reordered(log: Any) -> None:
    for first, other in itertools.combinations(range(COUNT), 2):
        lines = list(log.lines)
        lines[first], lines[other] = lines[other], lines[first]
        assert log.told(lines) == {("reordered", first), ("reordered", other)}, (first, other)


def test_a_record_moved_elsewhere_is_reordered(log: Any, some: Some) -> None:
    for start, to in some(itertools.permutations(range(COUNT), 2)):
        lines = list(log.lines)
        lines.insert(to, lines.pop(start))
        found = log.told(lines)
        assert {kind for kind, _ in found} == {"reordered"}
        assert {position for _, position in found} == set(range(min(start, to), max(start, to) + 1))


def test_each_record_written_twice_is_inserted(log: Any, some: Some) -> None:
    for number, place in some(itertools.product(range(COUNT), range(COUNT + 1))):
        found = log.told([*log.lines[:place], log.lines[number], *log.lines[place:]])
        # Where it stands beside itself nobody can tell which of the two was put in.
        assert found == {("inserted", place + 1 if place == number else place)}, (number, place)


def test_a_forged_record_put_in_is_inserted(log: Any) -> None:
    for place in range(COUNT):
        forged = log.maker.record(log.epoch, place, log.lines[place - 1] if place else None, request="f" * 32)
        for line in (forged, b"", b"{}", b"no record", forged.replace(log.epoch.encode(), b"another-epoch")):
            found = log.told([*log.lines[:place], line, *log.lines[place:]])
            assert found == {("inserted", place)}, (place, line)


def test_history_written_anew_is_a_fork_from_the_last_root_that_holds(log: Any, rechained: Any) -> None:
    for start in range(7):
        expected = 0 if start < 3 else 3
        assert log.told(rechained(log.lines, start)) == {("fork", expected)}, start
    for start in range(7, COUNT):
        # With nothing signed after it the last record may as well be the only one that was changed.
        expected = ("fork", 7) if log.state == "unsigned" else ("modified", COUNT - 1)
        assert log.told(rechained(log.lines, start)) == {expected}, start


def test_two_records_changed_are_both_told(log: Any, changed: Any) -> None:
    for first, other in itertools.combinations(range(COUNT), 2):
        lines = list(log.lines)
        lines[first] = changed(lines[first], request="x")
        lines[other] = changed(lines[other], request="y")
        found = log.told(lines)
        if log.state != "unsigned" and (first, other) == (COUNT - 2, COUNT - 1):
            # As well the last record alone may have been changed, in what it says of the one before it too.
            assert found == {("modified", other)}
        else:
            assert found == {("modified", first), ("modified", other)}, (first, other)


def test_a_record_changed_and_another_taken_out_are_both_told(log: Any, some: Some, changed: Any) -> None:
    for first, other in some(itertools.permutations(range(COUNT), 2)):
        lines = list(log.lines)
        lines[first] = changed(lines[first], request="x")
        del lines[other]
        found = log.told(lines)
        if other == first + 1:
            # What told of the change is gone as well: the root may still tell that there was one.
            assert found >= {("missing", other)}, (first, other)
        elif (first, other) == (COUNT - 1, COUNT - 2):
            # Nothing tells the last record from the one before the gap: either may be the changed one.
            assert found >= {("modified", first), ("missing", other)}, (first, other)
        else:
            assert found == {("modified", first), ("missing", other)}, (first, other)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mixture_of_damages_goes_unseen(log: Any, data: st.DataObject) -> None:
    lines = list(log.lines)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, max(0, min(len(lines), COUNT) - 1)))
        match data.draw(st.sampled_from(["remove", "repeat", "move", "break"])):
            case "remove" if len(lines) > 1:
                del lines[at]
            case "repeat":
                lines.insert(data.draw(st.integers(0, len(lines))), lines[at])
            case "move":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case _:
                lines[at] = data.draw(st.binary(max_size=20)).replace(b"\n", b"")
    assert bool(log.told(lines)) == (lines != log.lines)


def test_many_places_of_one_class_are_told_as_runs(new_journals: Any, epochs: Any, changed: Any) -> None:
    made = new_journals()
    lines = made.closed(epochs.closed, 60, (60,))
    altered = [changed(line, build="x") if 10 <= n < 40 or n == 50 else line for n, line in enumerate(lines)]
    made.damage(epochs.closed, altered)
    report = verify(Places(made.root), [VerifierKey.parse(made.public)])
    found = {(finding.kind, finding.position, finding.count) for finding in report.problems}
    assert found == {(Kind.MODIFIED, 10, 30), (Kind.MODIFIED, 50, 1)}
    made.damage(epochs.closed, lines[:5])
    (finding,) = verify(Places(made.root), [VerifierKey.parse(made.public)]).problems
    assert (finding.kind, finding.position, finding.count) == (Kind.MISSING, 5, 55)
