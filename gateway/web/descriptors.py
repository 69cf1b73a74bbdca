"""How many connections can this process have at once?

Each takes a file descriptor, and its call upstream another one. A process that runs out of them can accept nobody, not
even to say so: connections are bounded below that.
"""

import logging
import resource
from typing import Final

_log: Final = logging.getLogger("splitgate")
# For the journal, policies, listeners, databases and what libraries open.
_RESERVED: Final = 200


def connections_allowed(wanted: int) -> int:
    """As many of ``wanted`` as there can be, after the process's limit was raised as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = 2 * wanted + _RESERVED
    if soft != resource.RLIM_INFINITY and soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= need:
        return wanted
    allowed = max(1, (soft - _RESERVED) // 2)
    _log.warning(
        "at most %d connections are taken, not %d (server.max_connections): raise the limit of open files, now %d",
        *(allowed, wanted, soft),
    )
    return allowed
