"""Objects are laid out by hand here, as ``docs/audit-format.md`` has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.assemble import CannotAssemble, assemble
from gateway.audit.opening import Unfit

Problems = Callable[..., set[tuple[str, str, int | None]]]


@pytest.fixture
def cut(journals: Any, tmp_path: Path) -> Callable[..., Path]:
    """Cut the journals into objects of ``size`` bytes, each of which holds ``more`` that the next one holds too."""

    def run(size: int, more: int = 0) -> Path:
        objects = tmp_path / "objects"
        (objects / "registry").mkdir(parents=True)
        for path in sorted((journals.root / "registry").iterdir()):
            (objects / "registry" / path.name).write_bytes(path.read_bytes())
        for path in sorted((journals.root / "epochs").glob("*/*")):
            content = path.read_bytes()
            for offset in range(0, len(content) if path.name != "blobs" else 0, size):
                stretch = objects / "epochs" / path.parent.name / path.name / f"{offset:016d}"
                stretch.parent.mkdir(parents=True, exist_ok=True)
                stretch.write_bytes(content[offset : offset + size + more])
        return objects

    return run


def files(root: Path) -> dict[str, bytes]:
    """All but the texts, which are not shipped."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != "blobs"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(("size", "more"), [(10**6, 0), (300, 0), (300, 1), (300, 299), (300, 300), (300, 5000)])
def test_objects_make_the_folder_again_however_they_overlap(
    cut: Callable[..., Path], journals: Any, problems: Problems, tmp_path: Path, size: int, more: int
) -> None:
    objects, folder = cut(size, more), tmp_path / "back"
    before = files(objects)
    made = assemble(objects, folder)
    assert files(folder) == files(journals.root)
    assert problems(folder, journals.public) == set()
    assert (made.objects, made.epochs) == (len(before), 4)
    # What was downloaded is as it was, and no draft is left beside the folder.
    assert files(objects) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "back", "objects"]


def test_an_epoch_in_which_nothing_stands_has_an_empty_journal_and_a_pruned_one_none(
    cut: Callable[..., Path], journals: Any, epochs: Any, tmp_path: Path
) -> None:
    journals.maker.open(epochs.other, 0, ())
    folder = tmp_path / "back"
    assemble(cut(300), folder)
    assert (folder / "epochs" / epochs.other / "journal").read_bytes() == b""
    assert not (folder / "epochs" / epochs.pruned / "journal").exists()
    assert (folder / "epochs" / epochs.pruned / "checkpoints").exists()


def test_an_empty_folder_is_filled_and_one_that_holds_something_left(cut: Callable[..., Path], tmp_path: Path) -> None:
    objects, folder = cut(300), tmp_path / "back"
    folder.mkdir()
    assemble(objects, folder)
    before = files(folder)
    with pytest.raises(CannotAssemble, match="is not empty, and nothing is overwritten"):
        assemble(objects, folder)
    assert files(folder) == before
    with pytest.raises(CannotAssemble, match="is not empty"):
        assemble(objects, folder / "registry" / "00000001")


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ("registry/00000002", r"the entry 00000002 in front of .*00000003 is missing"),
        ("registry/00000001", r"the entry 00000001 in front of .*00000002 is missing"),
        ("epochs/{closed}/journal/0000000000000300", r"begins at byte 600 and .*0+ ends at byte 300"),
        ("epochs/{closed}/journal/0000000000000000", r"begins at byte 300 and nothing stands before it"),
        ("epochs/{closed}/checkpoints/0000000000000300", r"checkpoints/0+600 begins at byte 600"),
    ],
)
def test_a_gap_is_refused_with_its_place(
    cut: Callable[..., Path], epochs: Any, tmp_path: Path, which: str, told: str
) -> None:
    objects = cut(300)
    (objects / which.format(closed=epochs.closed)).unlink()
    with pytest.raises(CannotAssemble, match=told) as caught:
        assemble(objects, tmp_path / "back")
    assert "download the log's objects anew" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "objects"]


def test_what_is_missing_at_the_end_is_verifys_to_tell(
    cut: Callable[..., Path], journals: Any, problems: Problems, epochs: Any, tmp_path: Path
) -> None:
    objects = cut(300)
    max((objects / "epochs" / epochs.closed / "journal").iterdir()).unlink()
    assemble(objects, tmp_path / "back")
    found = problems(tmp_path / "back", journals.public)
    assert "missing" in {kind for kind, *_ in found}


@pytest.mark.parametrize("at", [0, 299])
def test_overlaps_that_differ_are_refused(cut: Callable[..., Path], epochs: Any, tmp_path: Path, at: int) -> None:
    objects = cut(300, 300)
    changed = objects / "epochs" / epochs.closed / "journal" / f"{600:016d}"
    content = bytearray(changed.read_bytes())
    content[at] ^= 1
    changed.write_bytes(content)
    with pytest.raises(CannotAssemble, match="one of them was changed") as caught:
        assemble(objects, tmp_path / "back")
    assert str(changed) in str(caught.value)
    assert not (tmp_path / "back").exists()


def test_a_change_that_nothing_overlaps_is_verifys_to_tell(
    cut: Callable[..., Path], journals: Any, problems: Problems, epochs: Any, tmp_path: Path
) -> None:
    objects = cut(300)
    changed = objects / "epochs" / epochs.closed / "journal" / f"{600:016d}"
    changed.write_bytes(bytes([changed.read_bytes()[0] ^ 1]) + changed.read_bytes()[1:])
    assemble(objects, tmp_path / "back")
    assert "modified" in {kind for kind, *_ in problems(tmp_path / "back", journals.public)}


def test_what_is_no_object_is_refused(cut: Callable[..., Path], tmp_path: Path) -> None:
    objects = cut(300)
    (objects / "epochs" / "readme.txt").write_text("hello")
    with pytest.raises(CannotAssemble, match=r"readme.txt is no object that a sink puts; take it away"):
        assemble(objects, tmp_path / "back")


def test_links_and_what_is_far_too_large_are_no_objects(cut: Callable[..., Path], epochs: Any, tmp_path: Path) -> None:
    objects = cut(300)
    entry = objects / "registry" / "00000001"
    kept = entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(kept)
    with pytest.raises(Unfit):
        assemble(objects, tmp_path / "back")
    entry.unlink()
    kept.rename(entry)
    with (objects / "epochs" / epochs.closed / "journal" / f"{0:016d}").open("r+b") as file:
        file.truncate(10**9)
    with pytest.raises(Unfit):
        assemble(objects, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_folder_of_whole_logs_names_one_to_take(cut: Callable[..., Path], epochs: Any, tmp_path: Path) -> None:
    objects = cut(300)
    (tmp_path / "bucket").mkdir()
    objects.rename(tmp_path / "bucket" / epochs.closed)
    with pytest.raises(CannotAssemble, match=rf"name one of them, such as .*bucket/{epochs.closed}"):
        assemble(tmp_path / "bucket", tmp_path / "back")


def test_a_folder_without_a_registry_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotAssemble, match="name the folder of one log, with `registry` and `epochs` in it"):
        assemble(tmp_path / "empty", tmp_path / "back")
