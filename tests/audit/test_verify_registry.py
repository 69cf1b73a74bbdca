"""The registry tells which epochs there were; what is done to it is told as well."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Problems = Callable[..., set[tuple[str, str, int | None]]]


@pytest.fixture
def entries(journals: Any) -> list[Path]:
    return sorted((journals.root / "registry").iterdir())


def registry_only(found: set[tuple[str, str, int | None]]) -> set[tuple[str, int | None]]:
    return {(kind, position) for kind, epoch, position in found if epoch == "registry"}


def test_each_entry_with_any_byte_of_its_line_changed_is_modified(
    journals: Any, entries: list[Path], problems: Problems
) -> None:
    for number, path in enumerate(entries, start=1):
        whole = path.read_bytes()
        for index in range(number, whole.index(b"\n"), 31):
            path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
            found = registry_only(problems(journals.root, journals.public))
            assert found == {("modified", number)}, (number, index)
        path.write_bytes(whole)


def test_each_entry_with_any_byte_of_its_checkpoint_changed_is_a_bad_signature(
    journals: Any, entries: list[Path], problems: Problems
) -> None:
    for number, path in enumerate(entries, start=1):
        whole = path.read_bytes()
        for index in range(whole.index(b"\n\n") + 2, len(whole), 23):
            path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
            found = problems(journals.root, journals.public)
            assert found == {("bad-signature", "registry", number)}, (number, index)
        path.write_bytes(whole)


def test_each_entry_taken_out_is_missing(journals: Any, entries: list[Path], problems: Problems) -> None:
    for number, path in enumerate(entries[:-1], start=1):
        whole = path.read_bytes()
        path.unlink()
        assert registry_only(problems(journals.root, journals.public)) == {("missing", number)}, number
        path.write_bytes(whole)


def test_any_two_entries_that_changed_places_are_reordered(
    journals: Any, entries: list[Path], problems: Problems
) -> None:
    for first, other in itertools.combinations(range(len(entries)), 2):
        one, two = entries[first].read_bytes(), entries[other].read_bytes()
        entries[first].write_bytes(two)
        entries[other].write_bytes(one)
        found = problems(journals.root, journals.public)
        assert found == {("reordered", "registry", first + 1), ("reordered", "registry", other + 1)}, (first, other)
        entries[first].write_bytes(one)
        entries[other].write_bytes(two)


def test_an_entry_repeated_at_the_end_was_put_in(journals: Any, entries: list[Path], problems: Problems) -> None:
    path = journals.root / "registry" / f"{len(entries) + 1:08d}"
    path.write_bytes(entries[2].read_bytes())
    assert problems(journals.root, journals.public) == {("inserted", "registry", len(entries) + 1)}


def test_a_checkpoint_of_another_entry_is_a_bad_signature(
    journals: Any, entries: list[Path], problems: Problems
) -> None:
    line, note = entries[1].read_bytes().split(b"\n")[0], entries[2].read_bytes().split(b"\n\n", 1)[1]
    entries[1].write_bytes(line + b"\n\n" + note)
    assert problems(journals.root, journals.public) == {("bad-signature", "registry", 2)}


@pytest.mark.parametrize("content", [b"", b"\n", b"no entry", b"{}\n\n", b"{}\n\nno note\n"])
def test_an_entry_that_is_none_is_modified_and_unsigned(
    journals: Any, entries: list[Path], problems: Problems, content: bytes
) -> None:
    entries[2].write_bytes(content)
    found = registry_only(problems(journals.root, journals.public))
    assert found == {("modified", 3), ("bad-signature", 3)}


def test_a_registry_that_was_cut_off_is_missed_by_what_records_saw(
    journals: Any, entries: list[Path], problems: Problems, epochs: Any
) -> None:
    # The open epoch was opened by the last entry, and its heartbeats saw it.
    entries[-1].unlink()
    assert problems(journals.root, journals.public) == {
        ("missing-shard", "registry", len(entries)),
        ("unregistered", epochs.open, None),
        ("unsigned-tail", epochs.open, 6),
    }


def test_without_a_registry_every_epoch_is_unregistered(
    journals: Any, entries: list[Path], problems: Problems, epochs: Any
) -> None:
    for path in entries:
        path.unlink()
    found = problems(journals.root, journals.public)
    assert ("missing-shard", "registry", None) in found
    assert {epoch for kind, epoch, _ in found if kind == "unregistered"} == {
        epochs.closed, epochs.sealed, epochs.open, epochs.pruned,
    }  # fmt: skip


def test_a_registry_written_anew_is_a_fork_from_what_records_saw(
    new_journals: Any, problems: Problems, epochs: Any
) -> None:
    made = new_journals()
    lines = made.closed(epochs.closed, 4, (4,))
    made._time += 1
    # Its holder signs another entry in place of the first, and all that follow.
    made.registered.clear()
    made.register("opened", epochs.closed, process="cli")
    made.end("closed", epochs.closed, lines, signed=4, cause="stopped")
    found = problems(made.root, made.public)
    assert {(kind, epoch, position) for kind, epoch, position in found if kind == "fork"} == {
        ("fork", epochs.closed, 0), ("fork", epochs.closed, 3),
    }  # fmt: skip


def test_an_end_that_is_not_the_journals_is_a_fork(new_journals: Any, problems: Problems, epochs: Any) -> None:
    made = new_journals()
    lines = made.open(epochs.closed, 6, (3, 6))
    other = [*lines[:-1], made.record(epochs.closed, 5, lines[-2])]
    made.end("closed", epochs.closed, other)
    assert problems(made.root, made.public) == {("fork", epochs.closed, 6)}


def test_an_entry_written_before_the_one_ahead_of_it_is_told(
    new_journals: Any, problems: Problems, epochs: Any
) -> None:
    made = new_journals()
    made.closed(epochs.closed, 2, (2,))
    made._time -= 60_000_000
    made.open(epochs.open, 0, ())
    assert problems(made.root, made.public) == {("clock-regression", "registry", 3)}
    assert problems(made.root, made.public, tolerance_s=61.0) == set()


@pytest.mark.parametrize(
    "more",
    [
        {"entry": "closed", "size": 1, "root": "none"},
        {"entry": "closed", "size": "1", "root": "0" * 64},
        {"entry": "revised"},
        {"entry": "opened", "epoch": "../../elsewhere"},
    ],
)
def test_an_entry_that_nobody_understands_is_told(
    new_journals: Any, problems: Problems, epochs: Any, more: dict[str, Any]
) -> None:
    made = new_journals()
    made.open(epochs.open, 2, (2,))
    entry, epoch = more.pop("entry"), more.pop("epoch", epochs.open)
    made.register(entry, epoch, **more)
    assert problems(made.root, made.public) == {("modified", "registry", 2)}


def test_an_epoch_that_ended_twice_differently_is_a_fork(new_journals: Any, problems: Problems, epochs: Any) -> None:
    made = new_journals()
    lines = made.closed(epochs.closed, 4, (4,))
    made.end("closed", epochs.closed, lines)
    assert problems(made.root, made.public) == set()
    made.end("sealed", epochs.closed, lines[:3], signed=3, torn=0)
    assert problems(made.root, made.public) == {("fork", "registry", 4)}


def test_a_pruned_epoch_that_ended_otherwise_is_a_fork(journals: Any, problems: Problems, epochs: Any) -> None:
    entry = json.loads(journals.maker.registered[-1])
    assert entry["entry"] == "opened"
    lines = journals.lines[epochs.pruned]
    other = [*lines[:-1], journals.maker.record(epochs.pruned, 4, lines[-2])]
    journals.maker.end("pruned", epochs.pruned, other, by="x")
    assert ("fork", epochs.pruned, 5) in problems(journals.root, journals.public)
