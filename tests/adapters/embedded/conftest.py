"""The embedded model's process, as the supervisor would start it."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.embedded.weights import original


@dataclass
class Model:
    """A running child and the socket on which it serves."""

    process: "subprocess.Popen[bytes]"
    path: str
    log: Path


@pytest.fixture(scope="session")
def launch_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Model]]:
    """Start a child; its parent is this process, or a shell given as ``wrapper``."""
    started: list[Model] = []

    def launch(*arguments: str) -> Model:
        directory = tmp_path_factory.mktemp("embedded")
        directory.chmod(0o700)
        path = str(directory / "e.sock")
        with socket.socket(socket.AF_UNIX) as listener, (directory / "log").open("wb") as log:
            listener.bind(path)
            listener.listen(16)
            process = subprocess.Popen(
                [sys.executable, "-m", "adapters.embedded", "--fd", str(listener.fileno()), *arguments],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ),
            )
        started.append(Model(process, path, directory / "log"))
        return started[-1]

    yield launch
    for model in started:
        model.process.kill()
        model.process.wait()


@pytest.fixture(scope="session")
def model(launch_model: Callable[..., Model], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """One child for every test that does it no harm: the plain model alone."""
    return launch_model("--adapter", str(tmp_path_factory.mktemp("split") / "none"))


@pytest.fixture(scope="session")
def other_model(launch_model: Callable[..., Model], random_adapter: Path) -> Model:
    """A child that has all of what the first one has not: the weights as they are installed, an adapter, no memory."""
    return launch_model("--weights", str(original()), "--adapter", str(random_adapter), "--forget")
