"""How are the keys of many data subjects fetched from one file without standing in each other's way?

By a thread of their own, so that no request's computing is done before them. What is asked for while it is at work is
fetched together next: keys that have to be made cost one durable write for all of them. Nobody who gives up stops a
fetch, so that whoever asks again finds the key there.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeAlias, TypeVar

from gateway.domain.errors import StateUnusable

Key = TypeVar("Key")

# A tenant, and one of its subjects or None for itself.
Named: TypeAlias = tuple[str, str | None]
Found: TypeAlias = Sequence[Key | StateUnusable]

# How many are fetched together at most: what comes after them is not to wait for all that was asked.
_MOST: Final = 256


class Fetching(Generic[Key]):
    """Fetches by ``find``, which is called on the thread and never twice at once; for one event loop at a time.

    ``keep`` is told of everything found, whether somebody still waits for it or not. At the end the thread is waited
    for at most ``patience_s`` seconds.
    """

    def __init__(
        self,
        find: Callable[[Sequence[Named]], Found[Key]],
        keep: Callable[[Named, Key], None],
        *,
        patience_s: float = 1.0,
    ) -> None:
        self._patience_s = patience_s
        self._find = find
        self._keep = keep
        self._asked: SimpleQueue[Named | None] = SimpleQueue()
        self._waiting: dict[Named, asyncio.Future[Key]] = {}
        self._thread: threading.Thread | None = None

    async def fetch(self, named: Named) -> Key:
        """The key, with everybody else who waits for it.

        Raises:
            StateUnusable: the file cannot be used.
        """
        waiting = self._waiting.get(named)
        if waiting is None:
            waiting = self._waiting[named] = asyncio.get_running_loop().create_future()
            self._asked.put(named)
            self._start()
        return await asyncio.shield(waiting)

    def close(self) -> bool:
        """End the thread; False where it hangs in the kernel, and keeps what it uses."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._asked.put(None)
        thread.join(self._patience_s)
        return not thread.is_alive()

    def _start(self) -> None:
        if self._thread is None:
            # A file that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="audit-keys", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (names := self._next()) is not None:
            found: Found[Key]
            try:
                found = self._find(names)
            except StateUnusable as error:
                found = [error] * len(names)
            except Exception as error:  # noqa: BLE001  whatever it is, nobody is to wait for ever
                found = [StateUnusable(f"the keys of data subjects cannot be used ({type(error).__name__})")]
                found *= len(names)
            for named, one in zip(names, found, strict=True):
                try:
                    self._waiting[named].get_loop().call_soon_threadsafe(self._settle, named, one)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    del self._waiting[named]

    def _next(self) -> Sequence[Named] | None:
        """All that is asked for by now, at least one; None at the end."""
        names = [self._asked.get()]
        with suppress(Empty):
            while names[-1] is not None and len(names) < _MOST:
                names.append(self._asked.get_nowait())
        if names[-1] is None and len(names) > 1:
            self._asked.put(None)
        return [named for named in names if named is not None] or None

    def _settle(self, named: Named, found: Key | StateUnusable) -> None:
        waiting = self._waiting.pop(named)
        if isinstance(found, StateUnusable):
            waiting.set_exception(found)
        else:
            self._keep(named, found)
            waiting.set_result(found)
