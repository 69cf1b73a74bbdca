"""A small folder of journals for the commands, written by the writer of ``tests/audit``."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FORMAT = Path(__file__).parents[3] / "audit" / "conftest.py"
EPOCH = "20260101T000000Z-0000000a"


@pytest.fixture(scope="session")
def _written() -> Any:
    """The writer: by path, since tests are no package."""
    spec = importlib.util.spec_from_file_location("journal_writer", FORMAT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def journals(_written: Any, tmp_path: Path) -> Any:
    """A closed epoch of ten records, and its public key in a file."""
    maker = _written.Journals(tmp_path / "audit", _written.Signer())
    lines = maker.closed(EPOCH, 10, (4, 10))
    key = tmp_path / "log.pub"
    key.write_text(maker.public + "\n")
    return SimpleNamespace(
        maker=maker, lines=lines, epoch=EPOCH, root=str(maker.root), public=maker.public, key=str(key)
    )


@pytest.fixture
def anchored(_written: Any, journals: Any, tmp_path: Path) -> Callable[[int], str]:
    """Keep a checkpoint of so many records elsewhere; the folder."""

    def keep(size: int) -> str:
        root = _written.mth([_written.leaf(line) for line in journals.lines[:size]])
        journals.maker.anchor(tmp_path / "kept", EPOCH, size, root)
        return str(tmp_path / "kept")

    return keep
