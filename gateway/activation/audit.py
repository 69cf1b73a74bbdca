"""What is written down of a break-glass grant? A line of JSON on the logger ``splitgate.audit``, and no prompt text.

The journal gets the same; a grant is in it before it holds.
"""

import json
import logging
import os
from dataclasses import asdict
from typing import Final

from gateway.audit.events import Events
from gateway.audit.line import Value
from gateway.domain.activation import Grant

_log: Final = logging.getLogger("splitgate.audit")


def tell(events: Events, event: str, grant: Grant | None, *, by: str | None = None) -> None:
    """Tell ``event``: what became of ``grant``, ``by`` the key of that name, where somebody's call did it."""
    _said(event, grant, by)
    events.note("decision", event, _fields(grant, by))


async def tell_first(events: Events, event: str, grant: Grant, *, by: str) -> None:
    """The same of what is about to happen, and must not where it cannot be recorded.

    Raises:
        AuditUnavailable: it is not recorded.
    """
    await events.write("decision", event, _fields(grant, by))
    _said(event, grant, by)


def _said(event: str, grant: Grant | None, by: str | None) -> None:
    said = {"event": event, "pid": os.getpid(), "by": by, "grant": None if grant is None else asdict(grant)}
    _log.warning("%s", json.dumps(said, ensure_ascii=True, sort_keys=True))


def _fields(grant: Grant | None, by: str | None) -> dict[str, Value]:
    told: dict[str, Value] = {} if by is None else {"by": by}
    if grant is not None:
        told |= {
            "grant": grant.id,
            "bypass": grant.reason,
            "granted_by": grant.granted_by,
            "granted_at": int(grant.granted_at),
            "expires": int(grant.expires),
        }
    return told
