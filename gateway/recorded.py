"""Where does a process record what it does?

The journal put together by the settings: keys, folder, and how long to wait. Whoever serves requests gets what records
them, and what records everything else.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.audit.events import Events
from gateway.audit.journal import Journal, Meter, Plan, Record
from gateway.audit.keys import master_key, signing_keys
from gateway.audit.marks import marks_folder
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.subjects import SubjectKeys
from gateway.audit.trail import Recording
from gateway.domain.errors import StateUnusable
from gateway.domain.identity import ANONYMOUS
from gateway.domain.value import value
from gateway.settings import Settings
from gateway.version import VERSION

# Tenants whose keys are there when a worker starts; those of others come with their first request.
_MOST_AT_START = 256


@value
class Recorded:
    """``recording`` is None where nothing is recorded; ``writable`` then is true always."""

    recording: Recording | None
    events: Events

    @property
    def writable(self) -> bool:
        """Whether a request could be recorded now."""
        return self.recording is None or self.recording.journal.writable


@asynccontextmanager
async def recorded(settings: Settings, meter: Meter | None = None) -> AsyncGenerator[Recorded, None]:
    """The journal of a worker; leaving the context writes, signs and registers its end.

    Raises:
        StateUnusable: a key cannot be used.
        AuditUnavailable: the folder cannot be used.
    """
    if not settings.audit.enabled:
        yield Recorded(recording=None, events=Events(None))
        return
    keys = SubjectKeys(Places(settings.audit.dir).subjects, master_key(settings.audit.master_key, settings.state_dir))
    async with opened(settings, "worker", meter=meter) as journal:
        try:
            await _ready(keys, settings)
            recording = Recording(journal=journal, keys=keys, content=settings.audit.content == "encrypted")
            yield Recorded(recording=recording, events=Events(journal))
        finally:
            keys.close()


async def _ready(keys: SubjectKeys, settings: Settings) -> None:
    """Make the tenants' own keys before the first request, whose deadline is not for making a file."""
    tenants = {key.caller.tenant for key in settings.keys} or {ANONYMOUS.tenant}
    # What is wrong with the file is told to whoever asks for something.
    with suppress(StateUnusable):
        for tenant in sorted(tenants)[:_MOST_AT_START]:
            await keys.fetch(tenant, None)


@asynccontextmanager
async def opened(settings: Settings, process: str, *, meter: Meter | None = None) -> AsyncGenerator[Journal, None]:
    """A journal of this process, whatever it is; raises as ``recorded`` does."""
    signing = signing_keys(settings.audit.signing_keys, settings.state_dir, settings.audit.name)
    journal = Journal(plan_of(settings, signing, process), meter=meter)
    journal.preamble = lambda: (_configuration(settings),)
    async with journal:
        yield journal


def plan_of(settings: Settings, keys: Sequence[SigningKey], process: str) -> Plan:
    """Where and how the journal is written."""
    audit = settings.audit
    return Plan(
        folder=audit.dir,
        name=audit.name,
        keys=keys,
        process=process,
        build=VERSION,
        deadline_s=audit.deadline_s,
        checkpoint_records=audit.checkpoint_records,
        checkpoint_s=audit.checkpoint_s,
        heartbeat_s=audit.heartbeat_s,
        roll_bytes=audit.roll_bytes,
        marks=marks_folder(settings.state_dir, audit.dir),
        also=audit.earlier_keys,
        patient=process == "worker",
    )


def _configuration(settings: Settings) -> Record:
    """Which configuration stands: its digest, and what it says of evidence."""
    return {
        "what": "configuration",
        "digest": f"sha256:{settings.digest}",
        "content": settings.audit.content,
        "models": sorted(settings.models),
    }
