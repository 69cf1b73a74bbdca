import os
import stat
import threading
from pathlib import Path

import pytest

from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import StateUnusable


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state" / "policies")


def names(folder: StateFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_written_is_read_by_its_owner_alone(folder: StateFolder) -> None:
    folder.write("a", b"1")
    folder.write("a", b"2")
    assert folder.read("a", 10) == b"2"
    assert mode(folder.path.parent) == mode(folder.path) == 0o700
    assert mode(folder.path / "a") == 0o600
    assert names(folder) == ["a"]


def test_what_is_not_there_is_nothing(folder: StateFolder) -> None:
    assert folder.read("a", 10) is None
    folder.remove("a")
    folder.write("a", b"1")
    folder.remove("a")
    folder.remove("a")
    assert folder.read("a", 10) is None


def test_what_others_could_have_written_is_not_read(folder: StateFolder) -> None:
    folder.write("a", b"1")
    (folder.path / "a").chmod(0o620)
    with pytest.raises(StateUnusable, match="closed to others"):
        folder.read("a", 10)
    (folder.path / "a").chmod(0o600)
    assert folder.read("a", 10) == b"1"
    folder.path.chmod(0o770)
    for act in (lambda: folder.read("a", 10), lambda: folder.write("a", b"2")):
        with pytest.raises(StateUnusable, match="chmod 700"):
            act()


def test_a_folder_of_another_user_is_not_used(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a", b"1")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StateUnusable):
        folder.read("a", 10)


def test_links_are_not_followed(folder: StateFolder, tmp_path: Path) -> None:
    folder.write("a", b"1")
    (folder.path / "b").symlink_to(folder.path / "a")
    with pytest.raises(StateUnusable):
        folder.read("b", 10)
    (tmp_path / "link").symlink_to(folder.path)
    with pytest.raises(StateUnusable):
        StateFolder(tmp_path / "link").read("a", 10)


def test_more_than_was_asked_for_is_refused(folder: StateFolder) -> None:
    folder.write("a", b"12345")
    assert folder.read("a", 5) == b"12345"
    with pytest.raises(StateUnusable, match="larger than 4 bytes"):
        folder.read("a", 4)


def test_where_a_folder_cannot_be_made_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = StateFolder(tmp_path / "file" / "policies")
    with pytest.raises(StateUnusable, match="set `state_dir`"):
        folder.write("a", b"1")
    with pytest.raises(StateUnusable), folder.locked():
        pass
    with pytest.raises(StateUnusable):
        folder.read("a", 10)
    folder.remove("a")


def test_what_cannot_be_taken_away_is_said(folder: StateFolder) -> None:
    folder.write("a", b"1")
    (folder.path / "b").mkdir()
    with pytest.raises(StateUnusable):
        folder.remove("b")


def test_others_are_taken_away_and_what_cannot_be_stays(folder: StateFolder) -> None:
    for name in ("p-1", "p-2", "q"):
        folder.write(name, b"1")
    (folder.path / "p-3").mkdir()
    folder.remove_others("p-1", "p-*")
    assert names(folder) == ["p-1", "p-3", "q"]


def test_one_at_a_time_holds_the_lock(folder: StateFolder) -> None:
    entered = threading.Event()

    def enter() -> None:
        with StateFolder(folder.path).locked():
            entered.set()

    with folder.locked():
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()


def test_a_draft_that_failed_is_not_left_behind(folder: StateFolder) -> None:
    folder.write("a", b"1")
    (folder.path / "b").mkdir()
    with pytest.raises(StateUnusable):
        folder.write("b", b"1")
    assert names(folder) == ["a", "b"]
