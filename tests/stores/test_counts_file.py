"""The file of sums: additions are all or nothing, and whoever asks hears what changed since."""

import sqlite3
from pathlib import Path

import pytest

from gateway.domain.errors import StateUnusable
from gateway.stores._sums import Sum
from gateway.stores.counts_file import CountsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "limits.sqlite3"


@pytest.fixture
def file(path: Path) -> CountsFile:
    return CountsFile(path, patience_s=0.05)


def more(amount: int, name: str = "n", start: int = 0, expires: int = 100) -> Sum:
    return Sum(name=name, start=start, amount=amount, expires=expires)


def test_what_all_add_comes_to_one_sum(file: CountsFile, path: Path) -> None:
    first = file.exchange([more(3)], -1, 1.0)
    assert first.sums == (more(3),)
    other = CountsFile(path)
    assert other.exchange([more(4), more(1, "m")], -1, 1.0).sums == (more(1, "m"), more(7))
    assert file.exchange([], first.number, 1.0).sums == (more(1, "m"), more(7))


def test_nothing_new_is_nothing_to_hear(file: CountsFile) -> None:
    heard = file.exchange([more(3)], -1, 1.0)
    assert file.exchange([], heard.number, 1.0) == type(heard)(sums=(), number=heard.number)


def test_what_is_taken_back_lowers_the_sum_and_never_below_nothing(file: CountsFile) -> None:
    number = file.exchange([more(3), more(5, "m")], -1, 1.0).number
    assert file.exchange([more(-1), more(-9, "m"), more(-1, "unknown")], number, 1.0).sums == (more(0, "m"), more(2))


def test_windows_that_count_no_more_are_forgotten(file: CountsFile) -> None:
    file.exchange([more(3), more(4, "m", expires=50)], -1, 1.0)
    assert file.exchange([more(1, "x")], -1, 50.0).sums == (more(3), more(1, "x"))


def test_a_file_that_was_made_anew_is_heard_from_its_beginning(file: CountsFile, path: Path) -> None:
    number = [file.exchange([more(1)], -1, 1.0).number for _ in range(3)][-1]
    for one in path.parent.iterdir():
        one.unlink()
    with pytest.raises(StateUnusable, match=r"limits\.sqlite3 in `state_dir` cannot be used"):
        file.exchange([], number, 1.0)
    assert file.exchange([more(2)], number, 1.0).sums == (more(2),)


def test_it_is_its_owners_alone(file: CountsFile, path: Path) -> None:
    file.exchange([more(1)], -1, 1.0)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(StateUnusable):
        file.exchange([], -1, 1.0)
    path.chmod(0o600)
    assert file.exchange([], -1, 1.0).sums == (more(1),)


@pytest.mark.parametrize("harm", ["locked", "garbage", "foreign"])
def test_what_cannot_be_used_adds_nothing(file: CountsFile, path: Path, harm: str) -> None:
    file.exchange([more(1)], -1, 1.0)
    holder = sqlite3.connect(path, isolation_level=None)
    if harm == "locked":
        holder.execute("BEGIN IMMEDIATE")
    elif harm == "foreign":
        holder.execute("PRAGMA user_version = 99")
    else:
        holder.close()
        path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateUnusable):
        file.exchange([more(5)], -1, 1.0)
    if harm == "locked":
        holder.execute("ROLLBACK")
        assert file.exchange([], -1, 1.0).sums == (more(1),)
    holder.close()
