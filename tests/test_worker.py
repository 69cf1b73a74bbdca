import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.domain.isolation import Isolation
from gateway.standing import Standing, read
from gateway.worker import main


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_a_configuration_that_cannot_be_used_ends_it_with_2(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, listener: socket.socket
) -> None:
    path = tmp_path / "nope.yaml"
    assert main(["--fd", str(listener.fileno()), "--ready-fd", "1", "--config", str(path)]) == 2
    assert "cannot be read" in capfd.readouterr().err


def test_it_says_in_one_line_what_its_models_can_do_then_serves_until_it_is_stopped(listener: socket.socket) -> None:
    ours, theirs = os.pipe()
    fd = str(listener.fileno())
    command = [sys.executable, "-m", "gateway.worker", "--fd", fd, "--ready-fd", str(theirs), "--grace", "1"]
    with subprocess.Popen(command, pass_fds=(listener.fileno(), theirs), stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            lines = pipe.readlines()
        wrapped = Standing(reaches=Isolation.WRAPPED, example=Isolation.WRAPPED)
        assert read(lines) == {"local": wrapped, "local-split": wrapped}
        assert len(lines) == 1
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/readyz"
        process.send_signal(signal.SIGHUP)
        assert httpx.get(url, trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        # All that is open is closed first, the journal above all: a signal that had its way would leave it open.
        assert process.wait(20) == 0
