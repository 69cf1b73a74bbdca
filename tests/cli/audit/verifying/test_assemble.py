"""From a downloaded copy of a bucket to a folder that verifies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]


@pytest.fixture
def objects(journals: Any, tmp_path: Path) -> Path:
    """The journals as objects of a bucket: one a file."""
    root, objects = Path(journals.root), tmp_path / "objects"
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if path.is_file():
            place = objects / (name if name.parts[0] == "registry" else name / f"{0:016d}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return objects


def test_it_makes_a_folder_that_verifies(splitgate: Splitgate, objects: Path, journals: Any, tmp_path: Path) -> None:
    result = splitgate("audit", "assemble", str(objects), str(tmp_path / "back"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 epoch of 4 objects" in result.stderr
    assert f"splitgate audit verify {tmp_path / 'back'}" in result.stderr
    verified = splitgate("audit", "verify", str(tmp_path / "back"), "--key", journals.key)
    assert (verified.exit_code, verified.stdout.splitlines()[1]) == (0, "WHOLE")


def test_what_makes_none_is_told_with_what_to_do(splitgate: Splitgate, objects: Path, tmp_path: Path) -> None:
    (objects / "registry" / "00000001").unlink()
    result = splitgate("audit", "assemble", str(objects), str(tmp_path / "back"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the entry 00000001 in front of" in result.stderr
    assert "download the log's objects anew" in result.stderr
    assert "nothing was written" in result.stderr
    assert not (tmp_path / "back").exists()


def test_what_cannot_be_read_is_told_as_such(splitgate: Splitgate, tmp_path: Path) -> None:
    result = splitgate("audit", "assemble", str(tmp_path / "gone"), str(tmp_path / "back"))
    assert result.exit_code == 2
    assert f"{tmp_path / 'gone'} cannot be used (No such file or directory)" in result.stderr
