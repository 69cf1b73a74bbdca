"""Whether the version that is told is the one that is built."""

import tomllib
from importlib.metadata import version
from pathlib import Path

from gateway.version import VERSION

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_the_version_is_that_of_the_project_and_of_the_package() -> None:
    assert VERSION == tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"] == version("splitgate")
