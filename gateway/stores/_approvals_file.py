"""What is in the file of held replies? Where it cannot be used, nothing is released."""

from pathlib import Path
from typing import Final

from gateway.domain.errors import ApprovalsUnavailable
from gateway.stores._sqlite_file import SqliteFile

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    dialect TEXT NOT NULL,
    model TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    tools TEXT NOT NULL,
    rules TEXT NOT NULL,
    revision TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    status TEXT NOT NULL,
    decided_by TEXT,
    reason TEXT,
    calls BLOB,
    held BLOB,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX by_expiry ON approvals (expires);
CREATE INDEX still_open ON approvals (expires, tenant) WHERE status IN ('pending', 'approved');
"""


def approvals_file(path: Path, patience_s: float) -> SqliteFile:
    """The file at ``path``; what cannot be done with it raises ``ApprovalsUnavailable``."""
    return SqliteFile(path, patience_s, schema=_SCHEMA, version=_VERSION, unusable=_unusable)


def _unusable(why: str) -> ApprovalsUnavailable:
    # Clients read this: no path of the machine is in it.
    return ApprovalsUnavailable(
        f"answers cannot be held for approval now ({why}); have the operator see to approvals.sqlite3 in `state_dir`"
    )
