"""What is written down of a break-glass grant? A line of JSON on the logger ``splitgate.audit``, and no prompt text."""

import json
import logging
import os
from dataclasses import asdict
from typing import Final

from gateway.domain.activation import Grant

_log: Final = logging.getLogger("splitgate.audit")


def tell(event: str, grant: Grant | None, *, by: str | None = None) -> None:
    """Log ``event``: what became of ``grant``, ``by`` the key of that name, where somebody's call did it."""
    said = {"event": event, "pid": os.getpid(), "by": by, "grant": None if grant is None else asdict(grant)}
    _log.warning("%s", json.dumps(said, ensure_ascii=True, sort_keys=True))
