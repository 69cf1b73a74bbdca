"""How is the litellm process run? ``python -m adapters.litellm --fd N --config-fd M [--news-fd L]``.

N is a listening Unix socket, M what its targets are read from, L a pipe of lines that tell them anew: calls that have
begun go on with what they began with. It serves at once and loads litellm in the background.
It ends on SIGTERM and SIGINT, when the process that started it ends, when litellm cannot be loaded, and when it is
stuck. Nothing is written anywhere but lines of our own, which hold neither prompts nor credentials.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from adapters._output import silence
from adapters._queue import Queue
from adapters._serving import serve
from adapters.litellm.gate import reach
from adapters.litellm.news import listen
from adapters.litellm.server import Front
from adapters.litellm.targets import Target, Untold, read
from adapters.litellm.vendors import Vendors
from adapters.litellm.watchdog import patience_of, watch
from adapters.reach import guard

_AT_ONCE: Final = 128
_WAITING: Final = 256
_PATIENCE_S: Final = 30.0
_UNUSABLE: Final = 1  # exit codes
_STUCK: Final = 3


def main() -> int:
    """Load, serve, stop; the answer is the exit code."""
    arguments = _arguments()
    parent = os.getppid()
    listener = socket.socket(fileno=arguments.fd)
    try:
        targets = read(arguments.config_fd)
    except Untold as untold:
        sys.stderr.write(f"splitgate: {untold}\n")
        return _UNUSABLE
    say = silence()
    guard(reach)
    code = asyncio.new_event_loop().run_until_complete(_run(listener, targets, parent, arguments, say))
    # Not by returning: that would wait for threads in which litellm may be at work.
    os._exit(code)


class _Arguments(argparse.Namespace):
    fd: int
    config_fd: int
    news_fd: int | None
    patience: float


def _arguments() -> _Arguments:
    parser = argparse.ArgumentParser(prog="python -m adapters.litellm", description="Translate for other vendors.")
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a listening Unix socket")
    parser.add_argument("--config-fd", type=int, required=True, help="descriptor that tells the targets")
    parser.add_argument("--news-fd", type=int, help="descriptor of a pipe that tells them anew, line by line")
    parser.add_argument(
        "--patience", type=float, default=_PATIENCE_S, help="seconds without an answer of the loop until the end"
    )
    return parser.parse_args(namespace=_Arguments())


async def _run(
    listener: socket.socket,
    targets: dict[str, Target],
    parent: int,
    arguments: _Arguments,
    say: Callable[[str], None],
) -> int:
    if arguments.news_fd is not None:
        listen(arguments.news_fd, targets)
    vendors, loaded = Vendors(targets), asyncio.Event()
    front = Front(vendors, targets, Queue(slots=_AT_ONCE, waiting=_WAITING), loaded)
    watch(asyncio.get_running_loop(), patience_of(arguments.patience), partial(_give_up, say))
    failed = await serve(front.application(), listener, parent, partial(_load, vendors, loaded))
    if failed:
        say("the litellm process cannot load litellm: install it with `pip install 'splitgate[litellm]'`")
    return _UNUSABLE if failed else 0


async def _load(vendors: Vendors, loaded: asyncio.Event) -> None:
    """Load litellm, and return only if that fails."""
    try:
        await asyncio.to_thread(vendors.load)
    except Exception:  # noqa: BLE001 — an import may raise anything; requests that wait learn of it by our end
        return
    loaded.set()
    await vendors.warm_up()
    await asyncio.Event().wait()


def _give_up(say: Callable[[str], None]) -> None:
    say("the litellm process is stuck and ends; the next request starts it again")
    os._exit(_STUCK)


if __name__ == "__main__":
    sys.exit(main())
