"""Are policies set aside for an emergency, by whom, and until when?

A grant is one file that all workers read, sealed with a key that the supervisor gives to its workers alone: what others
write, what is damaged and what is over its hour bypasses nothing. A restart of the gateway ends every grant.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, MutableMapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.activation.audit import tell, tell_first
from gateway.activation.state_folder import StateFolder
from gateway.audit.events import Events
from gateway.domain.activation import GlassState, Grant
from gateway.domain.errors import StateUnusable

KEY: Final = "SPLITGATE_GRANT_KEY"
MOST_MINUTES: Final = 60

_FILE: Final = "break-glass.json"
_MOST_BYTES: Final = 8192
_MOST_S: Final = MOST_MINUTES * 60.0
_EVERY_S: Final = 1.0
# Clocks of machines that share a folder are this close; a grant from further ahead is not believed.
_SKEW_S: Final = 5.0
_PURPOSE: Final = b"splitgate break-glass grant\n"


class _Sealed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    seal: str = Field(max_length=64)
    grant: str


class _Grant(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    id: str
    reason: str
    granted_by: str
    granted_at: float = Field(allow_inf_nan=False)
    expires: float = Field(allow_inf_nan=False)


def shared_key(environ: MutableMapping[str, str]) -> bytes:
    """The key that the workers of one supervisor share, taken out of ``environ`` so that no child inherits it.

    A worker that nobody supervises draws its own.
    """
    given = environ.pop(KEY, "")
    return bytes.fromhex(given) if given else secrets.token_bytes(32)


class BreakGlass:
    """One worker's view of the grant. Clocks come in as functions that give seconds."""

    def __init__(
        self,
        folder: StateFolder,
        key: bytes,
        *,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        events: Events | None = None,
    ) -> None:
        self._events = events or Events(None)
        self._folder = folder
        self._key = key
        self._wall = wall
        self._ticks = ticks
        self._look_at = float("-inf")
        self._raw: bytes | None = None
        self._grant: Grant | None = None
        self._over_at = 0.0  # by `ticks`, whatever becomes of the wall clock
        self._over: set[str] = set()  # grants that ended here: putting the file back revives none
        self._grants = self._ends = self._refused = self._requests = 0

    def bypass(self) -> str | None:
        """The reason for which policies are not enforced now, if there is one. Asked once by each request."""
        now = self._ticks()
        if now >= self._look_at:
            self._look(now)
        grant = self._grant
        if grant is None or not self._holds(grant, now):
            return None
        self._requests += 1
        return grant.reason

    def state(self) -> GlassState:
        """The grant as it stands in the file now, and the counts."""
        self._look(self._ticks())
        return GlassState(
            grant=self._grant,
            grants=self._grants,
            ends=self._ends,
            refused=self._refused,
            requests=self._requests,
        )

    async def grant(self, reason: str, minutes: int, granted_by: str) -> GlassState:
        """Set all policies aside for ``minutes``, at most an hour from now; it replaces a grant that still runs.

        Raises:
            StateUnusable: the grant cannot be kept where all workers see it.
            AuditUnavailable: it cannot be recorded, and so is none.
        """
        now = self._wall()
        made = Grant(
            id=secrets.token_hex(8),
            reason=reason,
            granted_by=granted_by,
            granted_at=now,
            expires=now + min(minutes, MOST_MINUTES) * 60.0,
        )
        await tell_first(self._events, "break_glass.granted", made, by=granted_by)
        await asyncio.to_thread(self._folder.write, _FILE, self._sealed(made))
        return self.state()

    async def end(self, ended_by: str) -> GlassState:
        """Enforce again, in this worker now and in the others within a second.

        Raises:
            StateUnusable: the grant's file cannot be taken away; this worker enforces all the same.
        """
        self._look(self._ticks())
        ended = self._grant
        if ended is not None:
            self._finish(ended)
            tell(self._events, "break_glass.ended", ended, by=ended_by)
        await asyncio.to_thread(self._folder.remove, _FILE)
        return self.state()

    def _look(self, now: float) -> None:
        """Read the grant's file, at most once a second on a request's way."""
        self._look_at = now + _EVERY_S
        try:
            raw = self._folder.read(_FILE, _MOST_BYTES)
        except StateUnusable:
            raw = b""
        if raw != self._raw:
            self._raw = raw
            self._take(self._opened(raw), now)
        if self._grant is not None and not self._holds(self._grant, now):
            self._finish(self._grant)

    def _take(self, found: Grant | None, now: float) -> None:
        if self._grant is not None:
            self._finish(self._grant)
        if found is not None and found.id not in self._over and self._is_current(found):
            self._grant, self._over_at = found, now + found.expires - self._wall()
            self._grants += 1
            tell(self._events, "break_glass.in_force", found)

    def _holds(self, grant: Grant, now: float) -> bool:
        """Both clocks must say so: the wall clock may be set back."""
        return now < self._over_at and self._is_current(grant)

    def _is_current(self, grant: Grant) -> bool:
        return grant.granted_at - _SKEW_S <= self._wall() < grant.expires

    def _finish(self, grant: Grant) -> None:
        self._grant = None
        self._over.add(grant.id)
        self._ends += 1
        tell(self._events, "break_glass.over", grant)

    def _sealed(self, grant: Grant) -> bytes:
        text = _Grant(
            id=grant.id,
            reason=grant.reason,
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            expires=grant.expires,
        ).model_dump_json()
        return json.dumps({"seal": self._seal(text), "grant": text}).encode()

    def _opened(self, raw: bytes | None) -> Grant | None:
        """The grant in the file, if it is one that a worker of this gateway made."""
        if raw is None:
            return None
        try:
            sealed = _Sealed.model_validate_json(raw)
            if hmac.compare_digest(sealed.seal.encode(), self._seal(sealed.grant).encode()):
                read = _Grant.model_validate_json(sealed.grant)
                if 0.0 < read.expires - read.granted_at <= _MOST_S:
                    return Grant(**dict(read))
        except ValueError:
            pass
        self._refused += 1
        tell(self._events, "break_glass.refused", None)
        return None

    def _seal(self, text: str) -> str:
        return hmac.new(self._key, _PURPOSE + text.encode(), hashlib.sha256).hexdigest()
