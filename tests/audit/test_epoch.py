"""What does one process write of one epoch, and when does it stop?"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.epoch import Epoch, new_epoch
from gateway.audit.journal import Plan
from gateway.audit.line import canonical
from gateway.audit.log import Log
from gateway.audit.places import EPOCH, Places
from gateway.audit.registry import Registry
from gateway.audit.tree import root_of


@pytest.fixture
def log(new_plan: Callable[..., Plan], disk: Any) -> Log:
    plan = new_plan()
    return Log(places=Places(plan.folder), name=plan.name, keys=plan.keys, disk=disk)


def line(number: int) -> bytes:
    return canonical({"number": number})


def failing(step: str, name: str, short: int = 0) -> Callable[[str, Path, int, bytes], None]:
    def hook(now: str, path: Path, descriptor: int, content: bytes) -> None:
        if (now, path.name) == (step, name):
            if short:
                os.write(descriptor, content[:short])
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return hook


def test_no_two_epochs_have_one_name() -> None:
    names = {new_epoch() for _ in range(1000)}
    assert len(names) == 1000
    assert all(EPOCH.fullmatch(name) for name in names)


def test_an_epoch_is_locked_for_as_long_as_it_is_open(log: Log) -> None:
    epoch = Epoch(log)
    with epoch.places.lock.open("rb") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        epoch.release()
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert epoch.closed


def test_blobs_are_written_before_the_lines_that_refer_to_them(log: Log, disk: Any) -> None:
    epoch = Epoch(log)
    epoch.write([line(0), line(1)], [b"blob-0", b"blob-1"])
    epoch.write([line(2)])
    appended = [name for step, name in disk.steps if step == "append"]
    assert appended == ["blobs", "journal", "journal"]
    assert epoch.places.blobs.read_bytes() == b"blob-0blob-1"
    assert epoch.places.journal.read_bytes() == b"".join(line(n) + b"\n" for n in range(3))
    assert (epoch.records, epoch.unsigned) == (3, 3)
    epoch.release()


def test_a_checkpoint_signs_what_is_new_and_nothing_twice(log: Log, second: Any) -> None:
    epoch = Epoch(log)
    assert epoch.checkpoint().size == 0
    assert epoch.places.checkpoints.read_bytes() == b""
    epoch.write([line(0), line(1)])
    said = epoch.checkpoint()
    assert (said.size, said.root) == (2, root_of([second.leaf(line(n)) for n in range(2)]))
    assert epoch.checkpoint() == said
    note = epoch.places.checkpoints.read_bytes()
    assert note.endswith(b"\n\n")
    assert second.note_text(note[:-1], str(log.trusted[0])) == said.text.decode()
    epoch.release()


def test_an_end_is_signed_and_registered(log: Log, written: Any) -> None:
    registry, epoch = Registry(log), Epoch(log)
    with registry.locked():
        registry.add("opened", epoch.epoch, process="worker")
    epoch.write([line(0)])
    epoch.close(registry, "stopped")
    end = written.registry()[-1]
    assert (end["entry"], end["size"], end["signed"], end["cause"]) == ("closed", 1, 1, "stopped")
    assert epoch.closed


@pytest.mark.parametrize("name", ["journal", "blobs"])
def test_what_failed_is_neither_written_to_nor_given_an_end(name: str, log: Log, disk: Any, written: Any) -> None:
    registry, epoch = Registry(log), Epoch(log)
    epoch.write([line(0)])
    disk.hook = failing("append", name, short=3)
    with pytest.raises(OSError, match="Input/output error"):
        epoch.write([line(1)], [b"blob"])
    assert epoch.failed
    disk.hook = failing("append", "nothing")
    with pytest.raises(OSError, match="vouched for"):
        epoch.close(registry, "stopped")
    assert epoch.closed
    assert epoch.records == 1
    assert written.registry() == []


def test_giving_up_signs_what_was_acknowledged_and_no_more(log: Log, disk: Any, second: Any) -> None:
    epoch = Epoch(log)
    epoch.write([line(0), line(1)])
    disk.hook = failing("append", "journal", short=1000)
    with pytest.raises(OSError, match="Input/output error"):
        epoch.write([line(2)])
    epoch.give_up()
    assert epoch.closed
    text = second.note_text(epoch.places.checkpoints.read_bytes()[:-1], str(log.trusted[0]))
    assert text.split("\n")[1] == "2"
    # It may be asked for again, and after the files went.
    epoch.give_up()


def test_giving_up_writes_nothing_behind_a_checkpoint_that_failed(log: Log, disk: Any) -> None:
    epoch = Epoch(log)
    epoch.write([line(0)])
    disk.hook = failing("append", "checkpoints", short=10)
    with pytest.raises(OSError, match="Input/output error"):
        epoch.checkpoint()
    disk.hook = failing("append", "nothing")
    epoch.give_up()
    assert len(epoch.places.checkpoints.read_bytes()) == 10


def test_giving_up_is_no_error_when_that_fails_too(log: Log, disk: Any) -> None:
    epoch = Epoch(log)
    epoch.write([line(0)])
    disk.hook = failing("append", "checkpoints")
    epoch.give_up()
    assert epoch.closed


@pytest.mark.parametrize("name", ["journal", "checkpoints"])
def test_files_that_cannot_be_made_let_go_of_the_lock(name: str, log: Log, disk: Any) -> None:
    disk.hook = failing("open_to_append", name)
    with pytest.raises(OSError, match="Input/output error"):
        Epoch(log)
    (places,) = log.places.epochs()
    with places.lock.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
