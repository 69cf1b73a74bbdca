"""Does the event loop still answer?

Everything that this process does goes through one loop; when that is stuck, nothing gets it loose again but the end of
the process, after which the supervisor starts a new one with the next request. A thread of its own sees it.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Stuck is a loop that does not answer within ``answer_s`` seconds, ``strikes`` times in a row.

    More than once, since a process that was stopped for a while finds that its time is over when it goes on.
    """

    answer_s: float
    strikes: int = 3


def patience_of(seconds: float) -> Patience:
    """The patience that sees after ``seconds`` that nothing is answered."""
    return Patience(answer_s=seconds / 3)


def watch(loop: asyncio.AbstractEventLoop, patience: Patience, give_up: Callable[[], None]) -> None:
    """Watch ``loop`` from a thread of its own for as long as the process lives; ``give_up`` is called at most once."""
    threading.Thread(target=_watch, args=(loop, patience, give_up), name="watchdog", daemon=True).start()


def _watch(loop: asyncio.AbstractEventLoop, patience: Patience, give_up: Callable[[], None]) -> None:
    strikes = 0
    rest = threading.Event()  # never set
    while strikes < patience.strikes:
        answered = threading.Event()
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return  # the loop is closed: the process ends
        if answered.wait(patience.answer_s):
            strikes = 0
            rest.wait(patience.answer_s)
        else:
            strikes += 1
    give_up()
