"""Where do replies wait for an approver, and who gets them, once?

In one SQLite file that all workers of a machine share. The rules: every change of a status is one conditional UPDATE,
so that of many who try exactly one succeeds; text is removed with the change after which nobody may have it; where
anything is not certain, nothing is released.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.errors import ApprovalsUnavailable, UnknownApproval
from gateway.stores._approval_rows import COLUMNS, NEW_COLUMNS, Row, approval_of, held_of, new_row
from gateway.stores._approvals_file import approvals_file

MOST_PER_TENANT: Final = 1_000
MOST_BYTES: Final = 8 * 1024 * 1024
# For how long after its expiry it is still known what became of an approval.
KEEP_S: Final = 24 * 3600.0
PATIENCE_S: Final = 3.0

_EXPIRE: Final = """
UPDATE approvals SET status = 'expired', calls = NULL, held = NULL
WHERE status IN ('pending', 'approved') AND expires <= ?
"""
_PURGE: Final = "DELETE FROM approvals WHERE expires <= ?"
_COUNT: Final = "SELECT count(*) FROM approvals WHERE status IN ('pending', 'approved') AND tenant = ?"
_HOLD: Final = f"""
INSERT INTO approvals ({NEW_COLUMNS}, status) VALUES ({", ".join("?" * len(NEW_COLUMNS.split()))}, 'pending')
"""  # noqa: S608 — the names of columns
_LOOK: Final = f"SELECT {COLUMNS} FROM approvals WHERE id = ? AND tenant = ?"  # noqa: S608
# A yes leaves the text where it is; after a no, nobody may have it.
_APPROVE: Final = f"""
UPDATE approvals SET status = 'approved', decided_by = :by, reason = :reason
WHERE id = :id AND tenant = :tenant AND key <> :by AND status = 'pending' AND expires > :now
RETURNING {COLUMNS}
"""  # noqa: S608
_DENY: Final = f"""
UPDATE approvals SET status = 'denied', decided_by = :by, reason = :reason, calls = NULL, held = NULL
WHERE id = :id AND tenant = :tenant AND key <> :by AND status = 'pending' AND expires > :now
RETURNING {COLUMNS}
"""  # noqa: S608
_TAKE: Final = f"""
UPDATE approvals SET status = 'consumed'
WHERE id = :id AND tenant = :tenant AND key = :key AND revision = :revision AND status = 'approved' AND expires > :now
RETURNING seal, held, {COLUMNS}
"""  # noqa: S608
# In the same transaction as `_TAKE`, whose RETURNING tells values as they are after it.
_FORGET: Final = "UPDATE approvals SET calls = NULL, held = NULL WHERE id = ?"
_VOID: Final = """
UPDATE approvals SET status = 'voided', calls = NULL, held = NULL
WHERE id = ? AND tenant = ? AND revision <> ? AND status IN ('pending', 'approved')
"""


class SqliteApprovals:
    """``now`` gives seconds since the epoch. The file is made when something is first asked of it.

    Every method raises ``ApprovalsUnavailable`` where the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], float],
        *,
        most_per_tenant: int = MOST_PER_TENANT,
        most_bytes: int = MOST_BYTES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._file = approvals_file(path, patience_s)
        self._now = now
        self._most_per_tenant = most_per_tenant
        self._most_bytes = most_bytes

    async def hold(self, held: HeldReply) -> None:
        """Keep a reply until it is handed out, denied or expired.

        Raises:
            ApprovalsUnavailable: also where it is too large, or too many of its tenant's wait.
        """
        await asyncio.to_thread(self._hold, held)

    async def look(self, id_: str, tenant: str) -> Approval:
        """The terms, and what became of it.

        Raises:
            UnknownApproval: this tenant has no such approval.
        """
        return await asyncio.to_thread(self._look, id_, tenant)

    async def decide(
        self,
        id_: str,
        tenant: str,
        status: Literal[ApprovalStatus.APPROVED, ApprovalStatus.DENIED],
        *,
        by: str,
        reason: str,
    ) -> Approval | None:
        """Decide on what is pending; None where it is not, or where ``by`` is the key that asked for it."""
        return await asyncio.to_thread(self._decide, id_, tenant, status, by, reason)

    async def take(self, id_: str, tenant: str, key: str, revision: str) -> HeldReply | None:
        """Hand out what is approved and was held for this key under this revision; None where there is no such thing.

        Whoever gets it is the only one who ever does.
        """
        return await asyncio.to_thread(self._take, id_, tenant, key, revision)

    async def void(self, id_: str, tenant: str, revision: str) -> None:
        """Forget what was held under another revision than this."""
        await asyncio.to_thread(self._void, id_, tenant, revision)

    async def sweep(self) -> None:
        """Forget what expired. Every other method does so too; this is for when nobody calls one."""
        await asyncio.to_thread(self._sweep)

    def _hold(self, held: HeldReply) -> None:
        row = new_row(held, self._most_bytes)
        with self._file.transaction() as connection:
            self._forget_expired(connection)
            (waiting,) = connection.execute(_COUNT, (held.approval.tenant,)).fetchone()
            if waiting >= self._most_per_tenant:
                raise ApprovalsUnavailable(
                    f"{self._most_per_tenant} answers of this tenant wait for approval already; decide on some first"
                )
            connection.execute(_HOLD, row)

    def _look(self, id_: str, tenant: str) -> Approval:
        with self._file.transaction() as connection:
            self._forget_expired(connection)
            row: Row | None = connection.execute(_LOOK, (id_, tenant)).fetchone()
        if row is None:
            raise UnknownApproval("there is no such approval for this key; check its id")
        return approval_of(row)

    def _decide(self, id_: str, tenant: str, status: ApprovalStatus, by: str, reason: str) -> Approval | None:
        with self._file.transaction() as connection:
            self._forget_expired(connection)
            row: Row | None = connection.execute(
                _APPROVE if status is ApprovalStatus.APPROVED else _DENY,
                {"id": id_, "tenant": tenant, "by": by, "reason": reason, "now": self._now()},
            ).fetchone()
        return None if row is None else approval_of(row)

    def _take(self, id_: str, tenant: str, key: str, revision: str) -> HeldReply | None:
        asked = {"id": id_, "tenant": tenant, "key": key, "revision": revision, "now": self._now()}
        with self._file.transaction() as connection:
            self._forget_expired(connection)
            found: tuple[bytes, bytes | None, *Row] | None = connection.execute(_TAKE, asked).fetchone()
            if found is None:
                return None
            seal, text, *_ = found
            held = held_of(approval_of(found[2:]), text, seal)
            connection.execute(_FORGET, (id_,))
        # Not before the change is on the disk.
        return held

    def _void(self, id_: str, tenant: str, revision: str) -> None:
        with self._file.transaction() as connection:
            connection.execute(_VOID, (id_, tenant, revision))

    def _sweep(self) -> None:
        if self._file.is_there:
            with self._file.transaction() as connection:
                self._forget_expired(connection)

    def _forget_expired(self, connection: sqlite3.Connection) -> None:
        now = self._now()
        connection.execute(_EXPIRE, (now,))
        connection.execute(_PURGE, (now - KEEP_S,))
