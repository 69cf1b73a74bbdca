"""Nothing that may have come to stand in the place of a file holds up whoever reads it. A failure here may hang."""

import os
from pathlib import Path

import pytest

from gateway.yamlfile.regular import expect_regular, read_regular


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def open_descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_file_is_read_as_far_as_asked_and_links_to_one_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"planted")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 100) == b"planted"
    assert read_regular(tmp_path / "file", 3) == b"pla"
    expect_regular(tmp_path / "file", None, tmp_path / "link")


def test_what_is_no_file_is_neither_waited_for_nor_left_open(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "link").symlink_to(pipe)
    before = open_descriptors()
    for path in (pipe, tmp_path / "link", tmp_path, Path("/dev/zero"), tmp_path / "gone"):
        with pytest.raises(OSError):  # noqa: PT011  of whichever kind
            read_regular(path, 10)
        with pytest.raises(OSError):  # noqa: PT011
            expect_regular(path)
    assert open_descriptors() == before
