import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]

RUN = "from gateway.cli.main import run; run()"


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            timeout=60,
        )

    return run


def test_help_names_every_command_and_the_exit_codes(splitgate: Splitgate) -> None:
    result = splitgate("--help")
    assert result.exit_code == 0
    for word in ("serve", "check", "models", "keys", "explain", "doctor", "evaluate", "train", "policy", "Exit codes"):
        assert word in result.stdout


@pytest.mark.parametrize(
    "command",
    [["serve"], ["check"], ["models"], ["keys", "new"], ["explain"], ["doctor"], ["evaluate"], ["train"], ["policy"]],
)
def test_every_command_explains_itself(splitgate: Splitgate, command: list[str]) -> None:
    assert splitgate(*command, "--help").exit_code == 0


def test_the_version_is_the_packages(splitgate: Splitgate) -> None:
    assert splitgate("--version").stdout == f"splitgate {version('splitgate')}\n"


def test_help_loads_none_of_the_heavy_parts() -> None:
    heavy = ["pydantic", "ruamel", "aiohttp", "httpx", "starlette", "uvicorn", "orjson", "gateway.settings"]
    code = f"import sys, gateway.cli.main; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == "[]\n"


def test_a_real_process_helps_and_ends_with_0(process: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = process("--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_goes_wrong_in_a_process_is_said_without_a_traceback(
    process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = process("check", "--config", "nope.yaml")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["chekc"], 2, "No such command"),
        (["explain", "nope.json"], 2, "cannot be read"),
        (["serve", "--port", "70000"], 2, "65535"),
        (["serve", "--host", "0.0.0.0"], 2, "loopback only"),  # noqa: S104 - what is refused
        (["doctor", "--url", "http://127.0.0.1:1"], 3, "no gateway answers"),
    ],
)
def test_what_goes_wrong_is_said_and_is_no_exception(
    splitgate: Splitgate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = splitgate(*arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""


def test_a_terminal_gets_colours_and_never_raw_bytes(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"model": "local", "instructions": "Go.", "data": "\\u001b[31mx"}', encoding="utf-8")
    coloured, code = _on_a_terminal("explain", str(path))
    assert code == 0
    assert b"\x1b[1;33m2 DATA" in coloured
    assert b"\\x1b[31mx" in coloured
    refused, code = _on_a_terminal("explain", str(path), "--raw")
    assert (refused, code) == (b"", 2)


def _on_a_terminal(*arguments: str) -> tuple[bytes, int]:
    """What a terminal of 80 columns shows, and the exit code."""
    ours, theirs = os.openpty()
    environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    command = [sys.executable, "-c", RUN, *arguments]
    environ |= {"TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environ) as child:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return shown, child.returncode


def _read(descriptor: int) -> bytes:
    """What the terminal shows next; nothing once its other end is closed."""
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""
