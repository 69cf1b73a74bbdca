"""How does one sink or anchor go on, whatever becomes of it?

Each has a task of its own, and fails, waits and comes back by itself. One line is logged when it goes down and one when
it is up again; no content is.
"""

import asyncio
import logging
from typing import Final, Protocol

from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace, Patience
from gateway.audit.ship.source import Seen, Source

_log: Final = logging.getLogger("splitgate.audit")


class Carrier(Protocol):
    """Hands over to one sink or anchor."""

    @property
    def name(self) -> str: ...

    async def go(self, seen: Seen) -> bool:
        """Hand over a part of what is due; whether there was any. Raises ``NotTaken``."""
        ...

    async def close(self) -> None:
        """Write down how far it is, and let go of connections."""
        ...


async def carry(carrier: Carrier, source: Source, pace: Pace) -> None:
    """Hand over what ``source`` sees until it is over: then what is left, unless that fails."""
    health = _Health(carrier.name, pace)
    try:
        while True:
            over, news = source.over.is_set(), source.news
            try:
                moved = await carrier.go(source.seen)
            except NotTaken as failure:
                wait = health.failed(failure)
            except Exception as error:  # noqa: BLE001 - whatever one breaks on, the others go on
                wait = health.failed(NotTaken(f"unexpected {type(error).__name__}; report it", for_good=True))
            else:
                health.recovered()
                if moved:
                    continue
                wait = None
            if over:
                return
            if wait is None:
                await _first(pace.idle_s, news, source.over)
            else:
                await _first(wait, source.over)
    finally:
        await carrier.close()


class _Health:
    """Whether it is up, which is told when it changes."""

    def __init__(self, name: str, pace: Pace) -> None:
        self._name = name
        self._patience = Patience(pace)
        # The last failure since it was up: whether it was one for good.
        self._trouble: bool | None = None

    def failed(self, failure: NotTaken) -> float:
        """Tell of a failure that is news; how long to wait."""
        news = failure.for_good is not self._trouble
        if news and failure.for_good:
            _log.error(
                "audit: %s refuses what it is given (%s); it is offered again until it is taken", *self._of(failure)
            )
        elif news:
            _log.warning("audit: %s is down (%s); what it misses waits for it", *self._of(failure))
        self._trouble = failure.for_good
        return self._patience.after(failure)

    def recovered(self) -> None:
        """Tell of it, if it was down."""
        if self._trouble is not None:
            _log.warning("audit: %s is up again", self._name)
        self._trouble = None
        self._patience.forget()

    def _of(self, failure: NotTaken) -> tuple[str, str]:
        return self._name, failure.reason


async def _first(wait_s: float, *events: asyncio.Event) -> None:
    """Wait for one of the events, at most so long."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
