import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

TEXT = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")

KEYS = [f"keys {verb}" for verb in ("new", "list", "rotate", "revoke")]
POLICY = [f"policy {verb}" for verb in ("lint", "test", "coverage", "explain", "diff", "fp", "replay")]
AUDIT = [
    f"audit {verb}"
    for verb in ("verify", "prove", "check-proof", "query", "show", "erase", "prune", "key new", "key show")
]


@pytest.mark.parametrize(
    "command", ["serve", "check", "models", *KEYS, "explain", "doctor", "evaluate", *POLICY, *AUDIT]
)
def test_every_command_and_option_is_documented(splitgate: Callable[..., Result], command: str) -> None:
    assert f"## `splitgate {command}" in TEXT
    options = set(re.findall(r"(?<=[ │])--[a-z-]+", splitgate(*command.split(), "--help").stdout)) - {"--help"}
    assert options
    assert not [option for option in options if option not in TEXT]


def test_a_command_without_options_is_documented() -> None:
    assert "## `splitgate audit assemble OBJECTS FOLDER`" in TEXT


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "130"])
def test_every_exit_code_is_documented(splitgate: Callable[..., Result], code: str) -> None:
    assert f"| {code} | " in TEXT
    assert f"{code} " in splitgate("--help").stdout.partition("Exit codes")[2].replace("\n", " ")
