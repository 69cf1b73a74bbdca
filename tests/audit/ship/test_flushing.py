import os
import stat
from pathlib import Path

import pytest

from gateway.audit.ship.failure import Disputed, Shortened
from gateway.audit.ship.flushing import append, make_folders


def test_what_is_missing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    append(path, 0, b"one\n")
    append(path, 4, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_the_same_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    for _ in range(2):
        append(path, 0, b"one\n")
        append(path, 4, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("left", range(9))
def test_what_a_crash_left_is_continued(tmp_path: Path, left: int) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"one\ntwo\n"[:left])
    append(path, 0, b"one\ntwo\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_what_differs_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"one\ntw")
    with pytest.raises(Disputed):
        append(path, 0, b"one\nTwo\n")
    with pytest.raises(Disputed):
        append(path, 4, b"xx\n")
    assert path.read_bytes() == b"one\ntw"


def test_what_is_too_short_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"one")
    with pytest.raises(Shortened):
        append(path, 4, b"two\n")
    assert path.read_bytes() == b"one"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "copy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        append(tmp_path / "copy", 0, b"one\n")
    assert not (tmp_path / "elsewhere").exists()


def test_the_root_is_never_made(tmp_path: Path) -> None:
    root = tmp_path / "not mounted"
    with pytest.raises(FileNotFoundError):
        make_folders(root, root / "epochs" / "one")
    assert not root.exists()
    root.mkdir()
    make_folders(root, root / "epochs" / "one")
    make_folders(root, root / "epochs" / "one")
    assert (root / "epochs" / "one").is_dir()


def test_others_than_owner_and_group_cannot_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folders(tmp_path, tmp_path / "folder")
        append(tmp_path / "folder" / "copy", 0, b"one\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "folder" / "copy").stat().st_mode) == 0o640
