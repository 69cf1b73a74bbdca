"""Nothing that somebody lays into the folder of the journals stops those who ship them."""

import os
from pathlib import Path

import pytest

from gateway.audit.opening import MOST_LINE, Unfit
from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.batch import next_batch
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.audit.ship.flushing import append, flush_path
from gateway.audit.ship.notes import notes
from gateway.audit.ship.source import Source

pytestmark = pytest.mark.timeout(20)
EPOCH = "20260102T030405Z-0123abcd"


@pytest.fixture
def epoch(places: Places) -> EpochPlaces:
    made = places.epoch(EPOCH)
    made.folder.mkdir(parents=True)
    return made


def test_a_line_without_end_is_not_taken_into_memory(epoch: EpochPlaces) -> None:
    epoch.journal.write_bytes(b"one\n")
    os.truncate(epoch.journal, 6 << 30)
    found = next_batch(epoch, Mark(), 6 << 30, 10)
    assert found is not None
    assert found.content == b"one\n"
    with pytest.raises(Unfit, match="too long"):
        next_batch(epoch, found.end, 6 << 30, 10)
    # The longest that there may be is handed over.
    epoch.journal.write_bytes(b"x" * (MOST_LINE - 1) + b"\n")
    assert next_batch(epoch, Mark(), MOST_LINE, 10) is not None


def test_a_pipe_is_not_waited_for(epoch: EpochPlaces, places: Places) -> None:
    for path in (epoch.journal, epoch.checkpoints):
        os.mkfifo(path)
    assert Source(places).look().epochs[EPOCH].size == 0
    for what in (
        lambda: flush_path(epoch.journal),
        lambda: append(epoch.journal, 0, b"x"),
        lambda: list(notes(epoch.checkpoints, 0, 9)),
    ):
        with pytest.raises(Unfit):
            what()


def test_checkpoints_without_end_are_not_taken_into_memory(epoch: EpochPlaces) -> None:
    epoch.checkpoints.touch()
    os.truncate(epoch.checkpoints, 6 << 30)
    assert list(notes(epoch.checkpoints, 0, 6 << 30)) == []


def test_a_cursor_is_not_written_through_a_link(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "archive.json", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"kept")
    path.symlink_to(elsewhere)
    (tmp_path / ".archive.json.draft").symlink_to(elsewhere)
    cursor = Cursor(path)
    cursor.move_registry(3)
    cursor.save(now=True)
    assert (Cursor(path).registry, path.is_symlink(), elsewhere.read_bytes()) == (3, False, b"kept")
