"""When may the policy files have changed?

The kernel says so for folders that exist; looking at the files every few seconds finds the rest: folders that come
later, links further up, network file systems. Whether anything did change is for the reader to judge.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from threading import Event
from typing import Final

from watchfiles import watch  # pyright: ignore[reportUnknownVariableType]

EVERY_S: Final = 2.0
# Changes that follow each other faster are one: an editor's save, a ConfigMap's swap.
_STEP_MS: Final = 100
_DEBOUNCE_MS: Final = 1_000


async def moments(folders: Callable[[], Sequence[Path]], *, every_s: float = EVERY_S) -> AsyncGenerator[None, None]:
    """Yield whenever it is worth while to look: after a change in ``folders()``, and every ``every_s`` seconds."""
    while True:
        watched = _told_apart(folders())
        if not watched:
            await asyncio.sleep(every_s)
            yield
            continue
        try:
            async with aclosing(_changes([path for path, _ in watched], every_s)) as changes:
                async for _ in changes:
                    yield
                    if _told_apart(folders()) != watched:
                        break
        except (OSError, RuntimeError):
            # A folder went away, or the kernel watches no more of them for us: looking from time to time must do.
            await asyncio.sleep(every_s)
            yield


async def _changes(paths: Sequence[Path], every_s: float) -> AsyncGenerator[object, None]:
    """Waited for in a thread of their own, not by ``awatch``: anyio, which that takes, nothing else here needs."""
    stop = Event()
    found = watch(
        *paths,
        watch_filter=None,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        rust_timeout=round(every_s * 1000),
        yield_on_timeout=True,
        recursive=False,
    )
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policies-watch")
    try:
        while (changes := await asyncio.get_running_loop().run_in_executor(thread, next, found, None)) is not None:
            yield changes
    finally:
        # Behind what is still waited for there, which sees within a step that it is to stop.
        stop.set()
        thread.submit(found.close)
        thread.shutdown(wait=False)


def _told_apart(paths: Sequence[Path]) -> list[tuple[Path, tuple[int, int]]]:
    """Each folder that exists, with its inode: one that took another's name needs a watch of its own."""
    found: list[tuple[Path, tuple[int, int]]] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path, (status.st_dev, status.st_ino)))
    return found
