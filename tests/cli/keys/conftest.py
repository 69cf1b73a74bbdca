import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from gateway.access.key_file import KeyFile
from gateway.domain.identity import Key
from gateway.settings import load


@dataclass(frozen=True, kw_only=True)
class Site:
    """A folder with a configuration that names a key file; the command runs in it."""

    path: Path
    run: Callable[..., Result]

    def found(self) -> tuple[Key, ...]:
        """The file's keys, as a gateway reads them."""
        settings = load(Path("splitgate.yaml"), {}, offline=True)
        return KeyFile(self.path, settings).parse(self.path.read_bytes()).keys

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def site(splitgate: Callable[..., Result], tmp_path: Path) -> Site:
    (tmp_path / "splitgate.yaml").write_text(
        f"keys_file: keys.jsonl\nkeys: [{{name: fixed, id: sg-0, sha256: {'cd' * 32}}}]\n"
        "models: {m: {targets: [{provider: embedded}]}, team-a: {targets: [{provider: embedded}]}}\n"
    )
    return Site(path=tmp_path / "keys.jsonl", run=splitgate)
