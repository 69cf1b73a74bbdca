"""On which sockets does the gateway listen?

Listeners are made here, once, and outlive every process that accepts from them: a connection that arrives while a child
is being restarted waits in the kernel's queue instead of being refused.
"""

import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.supervisor.config import MetricsPlace

_BACKLOG = 2048
_LONGEST_UNIX_PATH = 90  # the kernel takes about 107 bytes; the embedded model puts a sibling with a longer name beside


class CannotListen(Exception):
    """An address cannot be bound; the message says what to do."""


def listen_tcp(host: str, port: int) -> socket.socket:
    """Listen on the first address that ``host`` stands for. Port 0 takes any free one.

    Raises:
        CannotListen: the host is unknown, or the port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as exc:
        raise CannotListen(f"{host} is not an address of this machine: choose another host to listen on") from exc
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        reason = (exc.strerror or "failed").lower()
        raise CannotListen(f"cannot listen on {host} port {port} ({reason}): choose another port or host") from exc
    listener.settimeout(0)
    return listener


def listen_for_metrics(place: MetricsPlace, say: Callable[[str], None]) -> socket.socket:
    """Listen where metrics are to be served, or on a free port instead of one that nobody chose.

    Raises:
        CannotListen: the host is unknown, or the port was chosen and is taken or not allowed.
    """
    try:
        return listen_tcp(place.host, place.port)
    except CannotListen as exc:
        if place.chosen:
            raise CannotListen(f"metrics: {exc}: set telemetry.metrics.port or telemetry.metrics.host") from exc
        listener = listen_tcp(place.host, 0)
        say(f"port {place.port} is taken: metrics are served on port {listener.getsockname()[1]} instead")
        return listener


class Door:
    """A Unix listener in a directory of its own, which only this user may enter.

    While it is shut its path does not exist, so that whoever connects learns at once that nothing was sent; whoever was
    already waiting is turned away by ``turn_away``.
    """

    def __init__(self, name: str) -> None:
        self._directory = _private_directory()
        self.path = str(self._directory / f"{name}.sock")
        self._aside = self._directory / f"{name}.shut"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.settimeout(0)
        self.listener.bind(self.path)
        self.listener.listen(_BACKLOG)

    def shut(self) -> None:
        """Refuse newcomers."""
        with suppress(FileNotFoundError):
            Path(self.path).rename(self._aside)

    def open(self) -> None:
        """Let newcomers wait again."""
        with suppress(FileNotFoundError):
            self._aside.rename(self.path)

    def turn_away(self) -> None:
        """Close every connection that waits and has not been accepted."""
        with suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()

    def remove(self) -> None:
        """Stop listening and leave nothing behind."""
        self.listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _private_directory() -> Path:
    # mkdtemp creates with mode 0700. A long TMPDIR would not fit into a socket's address.
    directory = Path(tempfile.mkdtemp(prefix="splitgate-"))
    if len(bytes(directory)) <= _LONGEST_UNIX_PATH:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="splitgate-", dir="/tmp"))
