"""Are bytes on the disk for good once a call has returned?"""

import fcntl
import os
import secrets
from pathlib import Path

import pytest

from gateway.audit.disk import Disk
from gateway.audit.opening import Unfit


def test_what_is_appended_is_durable_when_the_call_returns(tmp_path: Path) -> None:
    disk = Disk()
    descriptor = disk.open_to_append(tmp_path / "file")
    # Each write waits for the disk, and goes to the end whoever else writes.
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    assert flags & os.O_DSYNC
    assert flags & os.O_APPEND
    assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    disk.append(descriptor, b"one")
    disk.append(descriptor, b"two")
    disk.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_short_write_is_carried_on() -> None:
    read, write = os.pipe()
    os.set_blocking(write, True)
    content = bytes(range(256)) * 1000
    child = os.fork()
    if not child:
        os.close(read)
        Disk().append(write, content)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as end:
        assert end.read() == content
    os.waitpid(child, 0)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Disk().open_to_append(tmp_path / "file")


def test_a_folder_is_made_with_those_above_it_for_its_user_alone(tmp_path: Path) -> None:
    Disk().make_folder(tmp_path / "a" / "b" / "c")
    Disk().make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700


def test_it_is_noticed_when_a_file_is_not_what_was_written(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "file"
    descriptor = disk.open_to_append(path)
    disk.append(descriptor, b"0123456789")
    assert disk.stands(descriptor, path, 10)
    assert not disk.stands(descriptor, path, 9)
    os.truncate(path, 5)
    assert not disk.stands(descriptor, path, 10)
    os.truncate(path, 0)
    path.write_bytes(b"0123456789")
    assert disk.stands(descriptor, path, 10)
    # The same bytes in another file are not the file that is written.
    path.rename(tmp_path / "old")
    path.write_bytes(b"0123456789")
    assert not disk.stands(descriptor, path, 10)
    path.unlink()
    assert not disk.stands(descriptor, path, 10)
    disk.close(descriptor)


def test_a_file_is_published_whole_and_replaces_another(tmp_path: Path) -> None:
    disk = Disk()
    disk.publish(tmp_path / "file", b"first")
    disk.publish(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_what_cannot_be_published_leaves_what_was_there(tmp_path: Path) -> None:
    class Full(Disk):
        def append(self, descriptor: int, content: bytes) -> None:
            super().append(descriptor, content[:2])
            raise OSError(28, "No space left on device")

    Disk().publish(tmp_path / "file", b"first")
    with pytest.raises(OSError, match="No space"):
        Full().publish(tmp_path / "file", b"second")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    assert (tmp_path / "file").read_bytes() == b"first"
    # And the same file can be published later.
    Disk().publish(tmp_path / "file", b"third")
    assert (tmp_path / "file").read_bytes() == b"third"


def test_nothing_is_published_through_what_somebody_laid_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"kept")

    # Even where the draft's name is known.
    def known(_: int) -> str:
        return "ab"

    monkeypatch.setattr(secrets, "token_hex", known)
    for name in (".file.ab", f".file.{os.getpid()}"):
        (tmp_path / name).symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        Disk().publish(tmp_path / "file", b"content")
    assert elsewhere.read_bytes() == b"kept"
    assert (tmp_path / ".file.ab").is_symlink()
    assert not (tmp_path / "file").exists()


def test_a_draft_that_failed_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "file" / "folder").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory"):
        Disk().publish(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.timeout(20)
def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(Unfit):
        Disk().open_to_append(tmp_path / "file")
