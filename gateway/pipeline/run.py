"""Where does a request's own computing run?

Reading, lifting and laying out take microseconds for what applications send, and up to seconds for megabytes made to be
slow. Large requests are therefore computed in a thread beside the event loop, so that nobody else waits for them.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, TypeVar, TypeVarTuple

Given = TypeVarTuple("Given")
Result = TypeVar("Result")

# Bytes of body from which a thread is worth its hand-over.
LARGE: Final = 32 * 1024


class Run(Protocol):
    """Does work on what it is given, and gives its result."""

    async def __call__(self, work: Callable[[*Given], Result], /, *given: *Given) -> Result: ...


async def at_once(work: Callable[[*Given], Result], /, *given: *Given) -> Result:
    """Do the work here."""
    return work(*given)


async def beside(work: Callable[[*Given], Result], /, *given: *Given) -> Result:
    """Do the work in a thread."""
    return await asyncio.to_thread(work, *given)


def runner_for(size: int) -> Run:
    """The way to run the work of a request of ``size`` bytes."""
    return beside if size > LARGE else at_once
