"""Whom does a client believe at the other end of TLS, where nobody says?

The authorities of the system's store, which is read when a client first needs it: that takes OpenSSL some ten
milliseconds, and aiohttp would do it twice while it is imported, whether or not anybody ever speaks TLS.
"""

import os
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

# Where OpenSSL looks for the store, if they are set.
_PLACES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def system() -> ssl.SSLContext:
    """Believes the system's authorities; names are checked."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


@contextmanager
def none_read() -> Generator[None]:
    """A TLS context that is made meanwhile believes nobody.

    Only for an import, and only while no other thread makes one: the process's variables say so.
    """
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, place in before.items():
            if place is None:
                del os.environ[name]
            else:
                os.environ[name] = place
