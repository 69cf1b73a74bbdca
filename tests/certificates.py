"""A plugin: certificates for tests of TLS, made when they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate for this machine and its key, as PEM texts; ``ends`` is in seconds since the epoch."""

    cert: bytes
    key: bytes
    ends: float
    made: x509.Certificate
    secret: EllipticCurvePrivateKey

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Put both into files, over what stood there."""
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_bytes(self.cert)
        key.write_bytes(self.key)
        return cert, key


def issue(by: Issued | None = None, days: int = 2) -> Issued:
    """A certificate of ``by``'s, or one of an authority of its own."""
    secret = generate_private_key(SECP256R1())
    now = datetime.now(UTC)
    number = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {number % 1_000_000}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if by is None else by.made.subject)
        .public_key(secret.public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(secret if by is None else by.secret, SHA256())
    )
    return Issued(
        cert=made.public_bytes(Encoding.PEM),
        key=secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        ends=made.not_valid_after_utc.timestamp(),
        made=made,
        secret=secret,
    )


@pytest.fixture(scope="session")
def certify() -> Callable[..., Issued]:
    """Makes certificates: ``certify()`` an authority, ``certify(authority)`` one that it vouches for."""
    return issue


@pytest.fixture(autouse=True, scope="session")
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have clients of this process trust one authority that nobody knows in place of all the world's.

    Nothing is reached by TLS that a test did not vouch for itself, and each client of httpx's reads the list anew:
    thirty milliseconds, more than most of them then do.
    """
    authority, _ = issue().write(tmp_path_factory.mktemp("authorities"), "authority")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(authority))
        yield
