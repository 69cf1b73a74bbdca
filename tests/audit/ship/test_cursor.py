import logging
import stat
from pathlib import Path

import pytest

from gateway.audit.ship.cursor import Cursor, Mark

EPOCH = "20260102T030405Z-0123abcd"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ship" / "archive.json"


def test_what_was_saved_is_read_back(path: Path) -> None:
    cursor = Cursor(path)
    cursor.move(EPOCH, Mark(bytes=120, records=3))
    cursor.move_registry(4)
    cursor.save(now=True)
    again = Cursor(path)
    assert again.mark(EPOCH) == Mark(bytes=120, records=3)
    assert again.registry == 4
    again.drop(EPOCH)
    again.save(now=True)
    assert not Cursor(path).marks


def test_it_is_its_owners_alone(path: Path) -> None:
    cursor = Cursor(path)
    cursor.move_registry(1)
    cursor.save(now=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_missing_one_means_the_beginning_and_is_told_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert Cursor(path).mark(EPOCH) == Mark()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"epochs":{},"registry":0,"v":2}',
        b'{"epochs":{},"registry":-1,"v":1}',
        b'{"epochs":{},"registry":"0","v":1}',
        b'{"epochs":[],"registry":0,"v":1}',
        b'{"epochs":{"../x":{"bytes":1,"records":1}},"registry":0,"v":1}',
        b'{"epochs":{"%s":{"bytes":1}},"registry":0,"v":1}' % EPOCH.encode(),
        b'{"epochs":{"%s":7},"registry":0,"v":1}' % EPOCH.encode(),
    ],
)
def test_a_damaged_one_means_the_beginning_and_is_told_of_once(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cursor = Cursor(path)
    assert (cursor.registry, dict(cursor.marks)) == (0, {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_it_is_not_written_for_every_step(path: Path) -> None:
    cursor = Cursor(path, save_s=60.0)
    cursor.move_registry(1)
    cursor.save()
    cursor.move_registry(2)
    cursor.save()
    assert Cursor(path).registry == 1
    cursor.save(now=True)
    assert Cursor(path).registry == 2


def test_a_disk_that_refuses_it_is_told_of_once_and_tried_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cursor = Cursor(path, save_s=0.0)
    path.parent.write_bytes(b"in the way")
    cursor.move_registry(1)
    cursor.save()
    cursor.save()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    path.parent.unlink()
    cursor.save()
    assert Cursor(path).registry == 1
