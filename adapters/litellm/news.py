"""How does this process hear of credentials that have changed?

By lines on a pipe, each of which tells all targets. What is told replaces what stood under the same ids at once;
targets that the process was not started with are passed over, since nothing else here knows them.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

from adapters.litellm.targets import Target, Untold, parse

_PIECE: Final = 65_536


class News:
    """Puts together lines that come in pieces."""

    def __init__(self, targets: dict[str, Target]) -> None:
        self._targets = targets
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take up every line that is whole by now; what is no such line changes nothing."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            try:
                told = parse(line)
            except Untold:
                continue
            self._targets.update({name: target for name, target in told.items() if name in self._targets})


def listen(fd: int, targets: dict[str, Target]) -> None:
    """Follow what is told on ``fd`` while the event loop runs, until whoever tells goes away."""
    os.set_blocking(fd, False)
    loop = asyncio.get_running_loop()
    news = News(targets)
    loop.add_reader(fd, _read, fd, news, lambda: loop.remove_reader(fd))


def _read(fd: int, news: News, stop: Callable[[], object]) -> None:
    try:
        piece = os.read(fd, _PIECE)
    except BlockingIOError:
        return
    if piece:
        news.feed(piece)
    else:
        stop()
        os.close(fd)
