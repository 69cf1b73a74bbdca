"""How is a data subject's content erased?

The key goes, for good; the journal says so, and stays provable.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import typer

from gateway.audit.erase import Erasure, erase
from gateway.audit.journal import Journal, Record
from gateway.audit.places import Places
from gateway.audit.subjects import KEEP_S, SubjectKeys
from gateway.cli.audit.reach import configured_key, own_log
from gateway.cli.audit.when import shown
from gateway.cli.told import NO, WRONG, CommandFailed, say
from gateway.domain.errors import AuditUnavailable
from gateway.recorded import opened
from gateway.settings import Settings, load

_LONGEST_REASON: Final = 500


def run(tenant: str, subject: str, config: Path | None, *, reason: str, sure: bool) -> None:
    """Erase the subject after asking whether that is meant, and print the records that say so.

    Raises:
        CommandFailed: nobody is sure, there is nothing to erase, or not all of it was done.
        ConfigError: the configuration cannot be used.
        StateUnusable: the keys cannot be used.
    """
    if len(reason) > _LONGEST_REASON:
        raise CommandFailed(f"--reason may have {_LONGEST_REASON} characters", code=WRONG)
    settings = load(config, os.environ)
    keys = SubjectKeys(own_log(settings).places.subjects, configured_key(settings))
    try:
        pseudonym = keys.pseudonym(tenant, subject)
        if keys.kept(tenant, pseudonym) is None and not keys.erased(pseudonym):
            raise CommandFailed(
                "nothing to erase: no request of this tenant named this subject; look at both names", code=NO
            )
        if not sure and not _confirmed(pseudonym):
            raise CommandFailed("nothing was erased", code=NO)
        _tell(asyncio.run(_erase(settings, keys, tenant, subject, reason)))
    except (AuditUnavailable, OSError) as error:
        why = error.message if isinstance(error, AuditUnavailable) else error.strerror
        raise CommandFailed(
            f"the key is destroyed, and the journal may not say so yet ({why}); run the same command again", code=NO
        ) from None
    finally:
        keys.close()


async def _erase(settings: Settings, keys: SubjectKeys, tenant: str, subject: str, reason: str) -> Erasure:
    async with AsyncExitStack() as stack:
        journal: Journal | None = None

        async def write(fields: Record) -> str:
            # A journal of the command's own, begun once there is something to write.
            nonlocal journal
            if journal is None:
                journal = await stack.enter_async_context(opened(settings, "cli"))
            return await journal.write("erasure", fields)

        places = Places(settings.audit.dir)
        return await erase(keys, places, tenant=tenant, subject=subject, reason=reason, write=write)


def _confirmed(pseudonym: str) -> bool:
    return typer.confirm(
        f"Destroy the key of {pseudonym}? What was encrypted under it can never be read again.", err=True
    )


def _tell(erasure: Erasure) -> None:
    if erasure.time is None:
        return
    done = "erased" if erasure.destroyed else "was erased before,"
    say(f"{erasure.pseudonym} {done} at {shown(erasure.time)}")
    if erasure.destroyed:
        say(
            f"Running gateways forget the key within {KEEP_S:.0f} seconds. Copies of subjects.sqlite3 elsewhere, such "
            "as backups, are yours to destroy."
        )
    for event in erasure.events:
        typer.echo(event)
