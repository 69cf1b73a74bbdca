import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.opening import MOST_SMALL, Unfit, is_unfit, lines_of, open_safely, read_whole, reading

pytestmark = pytest.mark.timeout(20)

PLANTED: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to(Path(__file__)),
    "loop": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT])
def test_only_a_regular_file_is_opened_and_nothing_is_waited_for(tmp_path: Path, kind: str, flags: int) -> None:
    path = tmp_path / "file"
    PLANTED[kind](path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(Unfit) as told:
        open_safely(path, flags)
    assert told.value.filename == str(path)
    assert told.value.strerror
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert is_unfit(path)


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_safely(tmp_path / "file")
    (tmp_path / "other").touch()
    assert not is_unfit(tmp_path / "file")
    assert not is_unfit(tmp_path / "other" / "file")
    assert not is_unfit(tmp_path / "other")


def test_nothing_large_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * MOST_SMALL)
    assert len(read_whole(path)) == MOST_SMALL
    os.truncate(path, MOST_SMALL + 1)
    with pytest.raises(Unfit, match=r"more than 65,536 bytes"):
        read_whole(path)
    os.truncate(path, 1 << 40)
    with pytest.raises(Unfit):
        read_whole(path)


def test_lines_are_read_up_to_one_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n" + b"x" * 9 + b"\n" + b"x" * 10 + b"\nthree\n")
    with reading(path) as file:
        assert list(lines_of(file, 10)) == [b"one\n", b"x" * 9 + b"\n", b"x" * 10 + b"\n"]
    with reading(path) as file:
        assert list(lines_of(file, 100))[-1] == b"three\n"
