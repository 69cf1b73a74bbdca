"""How does a listener take connections by a context that changes while it runs?

A listener is given one context for as long as it lives. This one hands each new connection to whatever context is
present then: certificates, authorities and sessions of the old one serve the connections that it began, and no others.
"""

import ssl
from typing import Self

from gateway.domain.target import Tls


class Following(ssl.SSLContext):
    """Makes connections by the present context of ``tls``."""

    _tls: Tls

    def __new__(cls, tls: Tls) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._tls = tls
        return made

    def __init__(self, tls: Tls) -> None:
        """Nothing is set: this context makes no connection of its own."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT002  as the library has it
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """One connection's side of TLS."""
        return self._tls.context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
