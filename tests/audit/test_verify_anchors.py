"""What another owner keeps cannot be taken back by whoever holds the key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verify import verify

Problems = Callable[..., set[tuple[str, str, int | None]]]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Somebody else's folder."""
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def anchored(journals: Any, kept: Path) -> int:
    report = verify(Places(journals.root), [VerifierKey.parse(journals.public)], [kept])
    assert report.whole
    return report.anchored


def test_records_are_anchored_as_far_as_anchors_agree(journals: Any, epochs: Any, kept: Path, second: Any) -> None:
    assert anchored(journals, kept) == 0
    for epoch, size in ((epochs.closed, 4), (epochs.closed, 8), (epochs.open, 3)):
        leaves = [second.leaf(line) for line in journals.lines[epoch][:size]]
        journals.maker.anchor(kept, epoch, size, second.mth(leaves))
    assert anchored(journals, kept) == 11


def test_an_anchored_registry_covers_what_had_ended(journals: Any, kept: Path, second: Any) -> None:
    leaves = [second.leaf(line) for line in journals.maker.registered]
    journals.maker.anchor(kept, "registry", 2, second.mth(leaves[:2]))
    assert anchored(journals, kept) == 13
    journals.maker.anchor(kept, "registry", len(leaves), second.mth(leaves))
    assert anchored(journals, kept) == 20


def test_anchors_may_lie_anywhere_beside_other_files(journals: Any, epochs: Any, kept: Path, second: Any) -> None:
    root = second.mth([second.leaf(line) for line in journals.lines[epochs.closed][:4]])
    path = journals.maker.anchor(kept, epochs.closed, 4, root)
    path.rename(kept / "note.txt")
    (kept / "README").write_bytes(b"Checkpoints of others.\n")
    (kept / "empty").touch()
    (kept / "large").write_bytes(b"x" * 70_000)
    (kept / "stranger").write_bytes((kept / "note.txt").read_bytes().replace(b"test.example", b"else.example"))
    assert anchored(journals, kept) == 4


def test_a_folder_that_is_not_there_is_no_anchor(journals: Any, kept: Path, problems: Problems) -> None:
    with pytest.raises(FileNotFoundError):
        problems(journals.root, journals.public, anchors=[kept / "nowhere"])


def test_an_anchor_with_a_bad_signature_is_told(journals: Any, epochs: Any, kept: Path, problems: Problems) -> None:
    path = journals.maker.anchor(kept, epochs.closed, 4, bytes(32))
    path.write_bytes(path.read_bytes().replace(b"\n4\n", b"\n5\n"))
    assert problems(journals.root, journals.public, anchors=[kept]) == {("bad-signature", epochs.closed, 5)}


def test_history_signed_twice_is_a_fork(journals: Any, epochs: Any, kept: Path, problems: Problems) -> None:
    journals.maker.anchor(kept, epochs.closed, 8, bytes(32))
    assert problems(journals.root, journals.public, anchors=[kept]) == {("fork", epochs.closed, 8)}


def test_history_rewritten_between_two_checkpoints_is_a_fork(
    journals: Any, epochs: Any, kept: Path, problems: Problems
) -> None:
    # No local checkpoint has this size: the ones around it agree, and this one was signed over something else.
    journals.maker.anchor(kept, epochs.closed, 6, bytes(32))
    assert problems(journals.root, journals.public, anchors=[kept]) == {("fork", epochs.closed, 6)}


def test_a_history_that_its_holder_wrote_and_signed_anew_is_a_fork(
    new_journals: Any, epochs: Any, kept: Path, second: Any, problems: Problems, rechained: Any
) -> None:
    made = new_journals()
    lines = made.open(epochs.open, 12, (4, 8, 12))
    made.anchor(kept, epochs.open, 10, second.mth([second.leaf(line) for line in lines[:10]]))
    made.write(epochs.open, rechained(lines, 5), (4, 8, 12))
    assert problems(made.root, made.public) == set()
    assert problems(made.root, made.public, anchors=[kept]) == {("fork", epochs.open, 10)}


def test_a_history_that_its_holder_cut_off_is_an_anchor_mismatch(
    new_journals: Any, epochs: Any, kept: Path, second: Any, problems: Problems
) -> None:
    made = new_journals()
    lines = made.open(epochs.open, 12, (4, 8))
    made.anchor(kept, epochs.open, 12, second.mth([second.leaf(line) for line in lines]))
    made.write(epochs.open, lines[:9], (4, 8))
    assert problems(made.root, made.public) == set()
    assert problems(made.root, made.public, anchors=[kept]) == {("anchor-mismatch", epochs.open, 9)}


def test_an_anchor_tells_what_was_changed_where_checkpoints_are_gone(
    new_journals: Any, epochs: Any, kept: Path, second: Any, problems: Problems, changed: Any
) -> None:
    made = new_journals()
    lines = made.open(epochs.open, 12, ())
    made.anchor(kept, epochs.open, 12, second.mth([second.leaf(line) for line in lines]))
    made.damage(epochs.open, [*lines[:7], changed(lines[7], request="x"), *lines[8:]])
    assert problems(made.root, made.public, anchors=[kept]) == {("modified", epochs.open, 7)}
    made.damage(epochs.open, [*lines[:11], changed(lines[11], request="x")])
    assert problems(made.root, made.public) == set()
    assert problems(made.root, made.public, anchors=[kept]) == {("modified", epochs.open, 11)}


def test_an_epoch_that_only_an_anchor_knows_was_cut_off(
    journals: Any, epochs: Any, kept: Path, problems: Problems
) -> None:
    journals.maker.anchor(kept, epochs.other, 1, bytes(32))
    assert problems(journals.root, journals.public, anchors=[kept]) == {("anchor-mismatch", epochs.other, None)}


def test_a_registry_that_its_holder_cut_off_is_an_anchor_mismatch(
    new_journals: Any, epochs: Any, kept: Path, second: Any, problems: Problems
) -> None:
    made = new_journals()
    made.closed(epochs.closed, 4, (4,))
    made.open(epochs.open, 0, ())
    made.anchor(kept, "registry", 3, second.mth([second.leaf(line) for line in made.registered]))
    assert problems(made.root, made.public, anchors=[kept]) == set()
    (made.root / "registry" / "00000003").unlink()
    for path in made.folder(epochs.open).iterdir():
        path.unlink()
    made.folder(epochs.open).rmdir()
    assert problems(made.root, made.public) == set()
    assert problems(made.root, made.public, anchors=[kept]) == {("anchor-mismatch", "registry", 3)}


def test_a_registry_signed_anew_is_a_fork(
    new_journals: Any, epochs: Any, kept: Path, second: Any, problems: Problems
) -> None:
    made = new_journals()
    made.open(epochs.open, 0, ())
    made.anchor(kept, "registry", 1, second.mth([second.leaf(made.registered[0])]))
    made.registered.clear()
    made.register("opened", epochs.open, process="cli")
    assert problems(made.root, made.public) == set()
    assert problems(made.root, made.public, anchors=[kept]) == {("fork", "registry", 1)}


def test_a_pruned_epoch_is_held_against_anchors_by_its_checkpoints(
    journals: Any, epochs: Any, kept: Path, problems: Problems, second: Any
) -> None:
    leaves = [second.leaf(line) for line in journals.lines[epochs.pruned]]
    journals.maker.anchor(kept, epochs.pruned, 2, second.mth(leaves[:2]))
    assert problems(journals.root, journals.public, anchors=[kept]) == set()
    journals.maker.anchor(kept, epochs.pruned, 5, bytes(32))
    journals.maker.anchor(kept, epochs.pruned, 6, bytes(32))
    assert problems(journals.root, journals.public, anchors=[kept]) == {
        ("fork", epochs.pruned, 5),
        ("anchor-mismatch", epochs.pruned, 5),
    }
