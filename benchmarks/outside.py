"""How does a program run that listens by itself?

It is told a port that was free a moment before, and serves when it answers there, whatever it answers. What it says is
kept in a file, and shown if it fails.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

from benchmarks.processes import ROOT, CannotMeasure, on_cores

# LiteLLM imports for many seconds.
_START_S: Final = 120.0
_STOP_S: Final = 10.0
_LOOK_S: Final = 0.01
_SHOWN: Final = 2_000


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A port for each that nobody listens on now, no two alike."""
    with ExitStack() as held:
        taken = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        return {name: listening.getsockname()[1] for name, listening in taken.items()}


def end_group(process: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Ask a process that leads a group of its own to end, wait for it, and kill what is left of the group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Outside:
    """A running program with all that it starts; leaving the context ends them."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        log: Path,
        *,
        cores: frozenset[int],
        environ: Mapping[str, str],
    ) -> None:
        self._name = name
        self._log = log
        self.port: int = port
        with log.open("wb") as sink, on_cores(cores):
            # A group of its own: what it leaves behind is found by it.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, **environ},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process that was started; others may be below it."""
        return self._process.pid

    def __enter__(self) -> Self:
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end; kill what is left of its group."""
        end_group(self._process, _STOP_S)

    def last_words(self) -> str:
        """The end of what it has said."""
        return self._log.read_text(errors="replace")[-_SHOWN:]

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_S
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                why = "did not start in time" if self._process.returncode is None else "ended before it served"
                raise CannotMeasure(f"the server {self._name!r} {why}:\n{self.last_words()}")
            time.sleep(_LOOK_S)


def _answers(port: int) -> bool:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asked.request("GET", "/")
        asked.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
    return True
