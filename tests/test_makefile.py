"""What `make serve` would run."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVE = "exec .venv/bin/splitgate serve"


def make_serve(*arguments: str) -> "subprocess.CompletedProcess[str]":
    dropped = ("HOST", "PORT", "CONFIG", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environ = {name: value for name, value in os.environ.items() if name not in dropped}
    command = ["make", "--no-print-directory", "-n", "serve", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], ""),
        (["PORT=9000"], ' --port "9000"'),
        (["HOST=::1"], ' --host "::1"'),
        (["CONFIG=splitgate.yaml"], ' --config "splitgate.yaml"'),
        (["CONFIG="], ""),
        (
            ["HOST=localhost", "PORT=1", f"CONFIG={ROOT / 'splitgate.yaml'}"],
            f' --host "localhost" --port "1" --config "{ROOT / "splitgate.yaml"}"',
        ),
    ],
)
def test_only_what_was_named_goes_before_the_configuration(arguments: list[str], options: str) -> None:
    done = make_serve(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip("\n").split("\n")[-1] == SERVE + options


@pytest.mark.parametrize("name", ["typo.yaml", "gateway"])
def test_a_named_file_that_is_not_there_is_an_error_and_nothing_is_set_up(name: str) -> None:
    done = make_serve(f"CONFIG={name}")
    assert done.returncode == 2
    assert f"CONFIG={name}: there is no such file" in done.stderr
    assert done.stdout == ""
