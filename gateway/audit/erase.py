"""How is a data subject forgotten, so that nobody claims it who did not do it?

The key is destroyed first, and what is left of it says when; then the journal gets a record of that. Whoever crashes in
between leaves an erasure that is not recorded yet, never a record of one that did not happen: the same command, run
again, writes what is missing. What was recorded under the key stays as it is, and the journal stays provable.
"""

from collections.abc import Awaitable, Callable

from gateway.audit.line import Value
from gateway.audit.places import Places
from gateway.audit.search import Passed, Wanted, found, number_of, text_of
from gateway.audit.subjects import SubjectKeys
from gateway.domain.value import value

# Writes an ``erasure`` record; gives its event once it is durable.
Write = Callable[[dict[str, Value]], Awaitable[str]]


@value
class Erasure:
    """What is known of a subject's erasure now.

    ``destroyed`` says that there was a key until now, ``time`` when the last one was destroyed, in microseconds since
    the epoch; None where there never was one. ``events`` are the records of all of it, ``written`` those of now.
    """

    pseudonym: str
    destroyed: bool
    time: int | None
    events: tuple[str, ...]
    written: tuple[str, ...]


async def erase(keys: SubjectKeys, places: Places, *, tenant: str, subject: str, reason: str, write: Write) -> Erasure:
    """Destroy the subject's key and record it; safe to repeat.

    Raises:
        StateUnusable: it is not certain that the key is gone; nothing was recorded.
        OSError: the journals cannot be read; the key is gone, and that may not be recorded.
        AuditUnavailable: the key is gone, and that is not recorded.
    """
    pseudonym = keys.pseudonym(tenant, subject)
    destroyed = keys.destroy(pseudonym)
    gone = [one.time for one in keys.erased(pseudonym)]
    known = _recorded(places, pseudonym, min(gone)) if gone else {}
    written: list[str] = []
    for time in gone:
        if time not in known:
            fields: dict[str, Value] = {"tenant": tenant, "subject": pseudonym, "erased": time}
            written.append(await write({**fields, "reason": reason} if reason else fields))
    return Erasure(
        pseudonym=pseudonym,
        destroyed=destroyed,
        time=gone[-1] if gone else None,
        events=(*known.values(), *written),
        written=tuple(written),
    )


def _recorded(places: Places, pseudonym: str, since: int) -> dict[int, str]:
    """The erasures of ``pseudonym`` that the journal tells of: by the time at which a key was destroyed, the event."""
    wanted = Wanted(phase="erasure", subject=pseudonym, since=since)
    records = found(places, wanted, Passed(), only=f'"subject":"{pseudonym}"'.encode())
    told = [(number_of(record, "erased"), text_of(record, "event")) for record in records]
    return {time: event for time, event in told if time is not None}
