"""What is whole passes, in every state that an epoch may be in; what a state does not allow is told."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verify import verify

Problems = Callable[..., set[tuple[str, str, int | None]]]


def test_intact_journals_are_whole_and_counted(journals: Any, problems: Problems) -> None:
    assert problems(journals.root, journals.public) == set()
    report = verify(Places(journals.root), [VerifierKey.parse(journals.public)])
    assert (report.whole, report.epochs, report.records, report.signed, report.anchored) == (True, 4, 29, 26, 0)


def test_verifying_writes_nothing(journals: Any, problems: Problems) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in journals.root.rglob("*") if path.is_file()}

    before = files()
    problems(journals.root, journals.public)
    assert files() == before


def test_nothing_is_verified_without_a_key(journals: Any) -> None:
    with pytest.raises(ValueError, match="public key"):
        verify(Places(journals.root), [])


def test_what_came_after_the_fact_is_noticed(journals: Any, epochs: Any, problems: Problems) -> None:
    assert problems(journals.root, journals.public, notices=True) == {
        ("unsigned-tail", epochs.sealed, 4),
        ("torn-tail", epochs.sealed, 7),
        ("unsigned-tail", epochs.open, 6),
    }


def test_another_key_vouches_for_nothing(journals: Any, new_journals: Any, epochs: Any, problems: Problems) -> None:
    stranger = new_journals("other", seed=9).public
    found = problems(journals.root, stranger)
    assert {kind for kind, _, _ in found} >= {"bad-signature"}
    assert ("bad-signature", epochs.closed, 13) in found
    assert problems(journals.root, stranger, journals.public) == set()


def test_a_log_of_another_name_vouches_for_nothing(journals: Any, new_journals: Any, problems: Problems) -> None:
    renamed = new_journals("other", name="test.example/another").public
    assert "bad-signature" in {kind for kind, _, _ in problems(journals.root, renamed)}


def test_a_process_that_writes_has_a_tail_and_no_problem(journals: Any, epochs: Any, problems: Problems) -> None:
    lock = journals.maker.folder(epochs.open) / "lock"
    with lock.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert problems(journals.root, journals.public) == set()
        assert ("unsigned-tail", epochs.open, 6) in problems(journals.root, journals.public, notices=True)


def test_an_epoch_that_nobody_writes_is_told_to_be_left_open(journals: Any, epochs: Any) -> None:
    (journals.maker.folder(epochs.open) / "lock").touch()
    report = verify(Places(journals.root), [VerifierKey.parse(journals.public)])
    assert report.whole
    (told,) = [finding for finding in report.notices if finding.epoch == epochs.open]
    assert (told.position, told.count) == (6, 3)
    assert "left open" in told.message
    assert "starting the gateway" in told.message


def test_an_open_epoch_may_end_in_the_middle_of_a_line(journals: Any, epochs: Any, problems: Problems) -> None:
    journals.maker.damage(epochs.open, journals.lines[epochs.open], b'{"half":')
    assert problems(journals.root, journals.public) == set()
    assert ("torn-tail", epochs.open, 9) in problems(journals.root, journals.public, notices=True)


def test_a_closed_epoch_may_not(journals: Any, epochs: Any, problems: Problems) -> None:
    journals.maker.damage(epochs.closed, journals.lines[epochs.closed], b'{"half":')
    assert problems(journals.root, journals.public) == {("torn-tail", epochs.closed, 13)}


@pytest.mark.parametrize("torn", [b"", b'{"cut":"', b'{"cut":"on'])
def test_what_a_sealed_epoch_has_behind_it_stays_as_long_as_it_was(
    journals: Any, epochs: Any, problems: Problems, torn: bytes
) -> None:
    journals.maker.damage(epochs.sealed, journals.lines[epochs.sealed], torn)
    assert problems(journals.root, journals.public) == {("torn-tail", epochs.sealed, 7)}


def test_whole_lines_behind_a_seal_are_no_records(new_journals: Any, epochs: Any, problems: Problems) -> None:
    made = new_journals()
    lines = made.sealed(epochs.sealed, 7, (4,), b"\0\0\n\0\0\n\0")
    assert problems(made.root, made.public) == set()
    made.damage(epochs.sealed, [*lines[:2], *lines[3:]], b"\0\0\n\0\0\n\0")
    assert problems(made.root, made.public) == {("missing", epochs.sealed, 2)}


def test_records_after_the_end_were_put_in(journals: Any, epochs: Any, problems: Problems) -> None:
    lines = journals.lines[epochs.closed]
    more = journals.maker.record(epochs.closed, 13, lines[-1])
    journals.maker.damage(epochs.closed, [*lines, more])
    assert problems(journals.root, journals.public) == {("inserted", epochs.closed, 13)}


def test_an_epoch_without_records_is_whole(new_journals: Any, epochs: Any, problems: Problems) -> None:
    made = new_journals()
    made.closed(epochs.closed, 0, ())
    made.open(epochs.open, 0, ())
    assert problems(made.root, made.public) == set()


def test_an_epoch_that_is_being_opened_is_no_problem(journals: Any, epochs: Any, problems: Problems) -> None:
    journals.maker.write(epochs.other, [], ())
    with (journals.maker.folder(epochs.other) / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert problems(journals.root, journals.public) == set()
    assert problems(journals.root, journals.public) == {("unregistered", epochs.other, None)}


def test_an_epoch_that_the_registry_does_not_know_is_told_with_its_tail(
    journals: Any, epochs: Any, problems: Problems
) -> None:
    lines = journals.maker.lines(epochs.other, 5)
    journals.maker.write(epochs.other, lines, (3,), b"torn")
    assert problems(journals.root, journals.public) == {
        ("unregistered", epochs.other, None),
        ("unsigned-tail", epochs.other, 3),
        ("torn-tail", epochs.other, 5),
    }


@pytest.mark.parametrize("name", ["closed", "sealed", "open"])
def test_a_folder_that_is_gone_is_missed(journals: Any, epochs: Any, problems: Problems, name: str) -> None:
    epoch = getattr(epochs, name)
    for path in journals.maker.folder(epoch).iterdir():
        path.unlink()
    journals.maker.folder(epoch).rmdir()
    assert problems(journals.root, journals.public) == {("missing-shard", epoch, None)}


def test_pruned_epochs_keep_their_checkpoints(journals: Any, epochs: Any, problems: Problems) -> None:
    kept = journals.maker.folder(epochs.pruned) / "checkpoints"
    whole = kept.read_bytes()
    kept.write_bytes(journals.maker.note(epochs.pruned, journals.lines[epochs.pruned][:2]) + b"\n")
    assert problems(journals.root, journals.public) == {("missing-shard", epochs.pruned, 2)}
    kept.write_bytes(whole.replace(b"5\n", b"6\n"))
    assert ("bad-signature", epochs.pruned, 6) in problems(journals.root, journals.public)
    kept.unlink()
    assert problems(journals.root, journals.public) == {("missing-shard", epochs.pruned, None)}


def test_checkpoints_that_were_removed_leave_an_unsigned_tail(journals: Any, epochs: Any, problems: Problems) -> None:
    path, lines = journals.maker.folder(epochs.closed) / "checkpoints", journals.lines[epochs.closed]
    path.write_bytes(journals.maker.note(epochs.closed, lines[:4]) + b"\n")
    assert problems(journals.root, journals.public) == {("unsigned-tail", epochs.closed, 4)}
    path.unlink()
    assert problems(journals.root, journals.public) == {("unsigned-tail", epochs.closed, 0)}


def test_without_checkpoints_the_registry_still_tells_what_was_changed(
    journals: Any, epochs: Any, problems: Problems, changed: Callable[..., bytes]
) -> None:
    lines = journals.lines[epochs.closed]
    (journals.maker.folder(epochs.closed) / "checkpoints").unlink()
    journals.maker.damage(epochs.closed, [*lines[:9], changed(lines[9], request="0" * 32), *lines[10:]])
    assert problems(journals.root, journals.public) == {
        ("modified", epochs.closed, 9),
        ("unsigned-tail", epochs.closed, 0),
    }


def test_a_checkpoint_with_any_byte_changed_is_a_bad_signature(journals: Any, epochs: Any, problems: Problems) -> None:
    path = journals.maker.folder(epochs.closed) / "checkpoints"
    whole = path.read_bytes()
    for index in range(0, len(whole), 5):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        found = {(kind, epoch) for kind, epoch, _ in problems(journals.root, journals.public)}
        assert ("bad-signature", epochs.closed) in found, index
        assert found <= {("bad-signature", epochs.closed), ("unsigned-tail", epochs.closed)}, index


def test_checkpoints_in_another_order_are_told(journals: Any, epochs: Any, problems: Problems) -> None:
    lines = journals.lines[epochs.closed]
    journals.maker.write(epochs.closed, lines, (8, 4, 13))
    assert problems(journals.root, journals.public) == {("reordered", epochs.closed, 4)}


@pytest.mark.parametrize("cut", [3, 40, 60, 100, 130, 170, 190])
def test_a_checkpoint_that_a_crash_cut_off_is_noticed(
    new_journals: Any, epochs: Any, problems: Problems, cut: int
) -> None:
    made = new_journals()
    lines = made.open(epochs.sealed, 9, (3,))
    path = made.folder(epochs.sealed) / "checkpoints"
    torn = made.note(epochs.sealed, lines[:6])[:cut]
    path.write_bytes(path.read_bytes() + torn)
    assert problems(made.root, made.public) == set()
    gap = b"" if torn.endswith(b"\n\n") else b"\n\n"
    path.write_bytes(path.read_bytes() + gap + made.note(epochs.sealed, lines) + b"\n")
    made.end("sealed", epochs.sealed, lines, signed=3, torn=0, cause="crash", by="x")
    assert problems(made.root, made.public) == set()
    assert "torn-tail" in {kind for kind, _, _ in problems(made.root, made.public, notices=True)}


def test_a_clock_that_went_back_is_told_where_it_did(new_journals: Any, epochs: Any, problems: Problems) -> None:
    made = new_journals()
    made.register("opened", epochs.closed, process="worker")
    lines = made.lines(epochs.closed, 3)
    made._time -= 5_000_000
    lines += [made.record(epochs.closed, 3, lines[-1])]
    lines += [made.record(epochs.closed, 4, lines[-1])]
    made.write(epochs.closed, lines, (5,))
    made._time += 10_000_000
    made.end("closed", epochs.closed, lines)
    assert problems(made.root, made.public) == {("clock-regression", epochs.closed, 3)}
    assert problems(made.root, made.public, tolerance_s=6.0) == set()


def test_a_blob_with_any_byte_changed_is_told_with_its_record(journals: Any, epochs: Any, problems: Problems) -> None:
    path = journals.maker.folder(epochs.closed) / "blobs"
    raw = path.read_bytes()
    path.write_bytes(raw[:3] + b"X" + raw[4:])
    assert problems(journals.root, journals.public) == {("modified", epochs.closed, 1)}
    path.write_bytes(raw[:-1])
    assert problems(journals.root, journals.public) == {("modified", epochs.closed, 11)}
    path.write_bytes(raw + b"more")
    assert problems(journals.root, journals.public) == set()


def test_blobs_that_are_not_here_are_noticed(journals: Any, epochs: Any, problems: Problems) -> None:
    (journals.maker.folder(epochs.closed) / "blobs").unlink()
    assert problems(journals.root, journals.public) == set()
    assert ("missing", epochs.closed, None) in problems(journals.root, journals.public, notices=True)


@pytest.mark.parametrize("blob", ["", "0:5", "-1:5:x", "0:5:" + "0" * 64, "9" * 20 + ":5:x"])
def test_a_reference_to_no_blob_is_told(new_journals: Any, epochs: Any, problems: Problems, blob: str) -> None:
    made = new_journals()
    made.register("opened", epochs.open, process="worker")
    lines = [made.record(epochs.open, 0, None, output=[{"channel": "text"}, {"channel": "text", "blob": blob}])]
    made.write(epochs.open, lines, (1,))
    (made.folder(epochs.open) / "blobs").write_bytes(b"bytes")
    assert problems(made.root, made.public) == {("modified", epochs.open, 0)}
