"""How do certificates and keys that stand in PEM files become a TLS context?

Nobody is ever asked for a passphrase: a key that has one cannot be used.
"""

import ssl
from pathlib import Path


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Trusts ``ca`` alone where it is named; names are checked, and the oldest protocol is TLS 1.2.

    Raises:
        OSError: a file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        show(context, cert, key)
    return context


def show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Have ``context`` show the certificate; raises as ``client_context`` does."""
    context.load_cert_chain(cert, key, password=_nothing)


def _nothing() -> str:
    """Stand in for a passphrase: the library would ask at the terminal for it."""
    return ""
