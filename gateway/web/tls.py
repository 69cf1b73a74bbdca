"""How does a listener take connections by a context that changes while it runs, and how many handshakes at once?

A listener is given one context for as long as it lives. This one hands each new connection to whatever context is
present then: certificates, authorities and sessions of the old one serve the connections that it began, and no others.
Who has not shaken hands is nobody yet, but takes a file descriptor: what is beyond the room that there is gets closed.
"""

import ssl
import time
from collections.abc import Callable
from typing import Final, Self
from weakref import WeakSet

from gateway.domain.target import Tls

# Handshakes that are over are looked for no more often: a flood must not make that dear.
_LOOK_EVERY_S: Final = 0.25


class Following(ssl.SSLContext):
    """Makes connections by the present context of ``tls``, while fewer than ``room()`` are at their handshake."""

    _tls: Tls
    _room: Callable[[], int]
    _shaking: "WeakSet[ssl.SSLObject]"
    _looked: float

    def __new__(cls, tls: Tls, room: Callable[[], int]) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._tls = tls
        made._room = room
        made._shaking = WeakSet()
        made._looked = 0.0
        return made

    def __init__(self, tls: Tls, room: Callable[[], int]) -> None:
        """Nothing is set: this context makes no connection of its own."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT002  as the library has it
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """One connection's side of TLS.

        Raises:
            SSLError: there is no room for it; whoever asked closes the connection.
        """
        if not self._has_room():
            raise ssl.SSLError("too many handshakes")
        made = self._tls.context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        self._shaking.add(made)
        return made

    def _has_room(self) -> bool:
        room = self._room()
        if len(self._shaking) < room:
            return True
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            # Those that are over, by whichever end, and those that came about, are at it no more.
            self._shaking = WeakSet([one for one in self._shaking if one.version() is None])
        return len(self._shaking) < room
