"""How is the embedded model's process run? ``python -m adapters.embedded --fd N``, N being a listening Unix socket.

Ends at once on SIGTERM and SIGINT, when the process that started it ends, and when the engine is stuck. Writes no
prompt anywhere.
"""

import argparse
import asyncio
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from adapters._output import silence
from adapters._queue import Queue
from adapters._serving import serve
from adapters.embedded.engine import Engine, EngineFailed, EngineSettings
from adapters.embedded.models import ADAPTER, digest_told, loadable_adapter
from adapters.embedded.server import Front
from adapters.embedded.watchdog import EngineStuck, Patience, patience_of, watch
from adapters.embedded.weights import WeightsMissing, best

_WAITING = 64
_PATIENCE_S = 30.0  # the longest sign of life measured, with two long prompts and four busy neighbours: 0.3
_STUCK = 3  # the exit code


def main() -> int:
    """Load, serve, stop; the answer is the exit code."""
    arguments = _arguments()
    parent = os.getppid()
    settings = EngineSettings(
        context=arguments.context,
        slots=arguments.slots,
        answer=arguments.answer,
        threads=arguments.threads,
        forgets=arguments.forget,
    )
    listener = socket.socket(fileno=arguments.fd)
    try:
        model = arguments.weights or best(os.environ)
    except WeightsMissing as exc:
        sys.stderr.write(f"splitgate: {exc}\n")
        return 1
    adapter = loadable_adapter(arguments.adapter, sys.stderr.write)
    digest = None if adapter is None else digest_told(adapter)
    say = silence()
    try:
        with _engine_socket(listener) as engine_socket:
            engine = Engine(model, engine_socket, settings, adapter=adapter)
            queue = Queue(slots=settings.slots, waiting=_WAITING)
            front = Front(engine_socket, queue, adapter=digest)
            patience = patience_of(arguments.patience)
            asyncio.run(_serve(listener, front, parent, patience))
            engine.close()
    except EngineFailed as exc:
        say(str(exc))
        return 1
    except EngineStuck:
        say("the embedded model is stuck and ends; the next request starts it again")
        # Not by returning: the engine would be freed, which waits for the thread that is stuck.
        os._exit(_STUCK)
    return 0


class _Arguments(argparse.Namespace):
    fd: int
    weights: Path | None
    adapter: Path
    context: int
    slots: int
    answer: int
    threads: int
    forget: bool
    patience: float


def _arguments() -> _Arguments:
    default = EngineSettings()
    parser = argparse.ArgumentParser(prog="python -m adapters.embedded", description="Serve the embedded model.")
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a listening Unix socket")
    parser.add_argument("--weights", type=Path, help="a GGUF file instead of the installed one")
    parser.add_argument("--adapter", type=Path, default=ADAPTER, help="a LoRA in GGUF, its .sha256 beside it")
    parser.add_argument("--context", type=int, default=default.context, help="tokens per request, prompt and answer")
    parser.add_argument("--slots", type=int, default=default.slots, help="answers generated at once")
    parser.add_argument(
        "--answer", type=int, default=default.answer, help="tokens of an answer, if the request sets none"
    )
    parser.add_argument("--threads", type=int, default=default.threads, help="0: one for every second core")
    parser.add_argument("--forget", action="store_true", help="use nothing that was computed for an earlier request")
    parser.add_argument(
        "--patience", type=float, default=_PATIENCE_S, help="seconds without a sign of work until the process ends"
    )
    return parser.parse_args(namespace=_Arguments())


async def _serve(listener: socket.socket, front: Front, parent: int, patience: Patience) -> None:
    until = partial(watch, front.counters, front.unanswered_s, patience)
    if await serve(front.application(), listener, parent, until):
        raise EngineStuck


@contextmanager
def _engine_socket(listener: socket.socket) -> Generator[str]:
    """A path for the engine's own socket: beside the listener's if only this user may enter there.

    Beside it, because whoever made that directory also removes it when this process is killed.
    """
    name = f"engine-{os.getpid()}.sock"
    beside = Path(str(listener.getsockname())).parent
    if _is_private(beside):
        path = beside / name
        try:
            yield str(path)
        finally:
            path.unlink(missing_ok=True)
    else:
        with tempfile.TemporaryDirectory(prefix="splitgate-") as directory:
            yield str(Path(directory) / name)


def _is_private(directory: Path) -> bool:
    if not directory.is_absolute() or not directory.is_dir():
        return False
    found = directory.stat()
    return found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) & 0o077 == 0


if __name__ == "__main__":
    sys.exit(main())
