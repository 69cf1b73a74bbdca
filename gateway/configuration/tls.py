"""With which certificates does the gateway speak TLS, and what becomes of them when their files change?

Of each side a context is made from files, here and nowhere else. What cannot be used is a mistake in the configuration
at a start, and changes nothing later.
"""

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.configuration.schema import TargetSection
from gateway.configuration.schema_tls import ServerTlsSection
from gateway.configuration.secrets import Surroundings
from gateway.domain.target import Tls
from gateway.yamlfile.mounted import Following, Looked
from gateway.yamlfile.pem import client_context, show
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.regular import expect_regular, read_regular
from gateway.yamlfile.report import Report

_MAX_BYTES: Final = 1024 * 1024
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class MountedTls(Tls):
    """A context made from files; ``name`` is the section that names them, ``ends`` when the certificate shown does."""

    __slots__ = ("_certificate", "_following", "_make", "ends", "name")

    def __init__(
        self, name: str, paths: Sequence[Path], make: Callable[[], ssl.SSLContext], certificate: Path | None
    ) -> None:
        super().__init__(make())
        self.name = name
        self._make = make
        self._certificate = certificate
        self.ends = None if certificate is None else _end_of(certificate)
        files = tuple(paths)
        self._following = Following(_contents(files), lambda: _contents(files), self._take)

    @property
    def stale(self) -> bool:
        """Whether the files cannot be used at present."""
        return self._following.stale

    def refresh(self) -> Looked:
        """Look at the files again."""
        return self._following.refresh()

    def _take(self, found: tuple[bytes, ...]) -> bool:
        if not all(found):
            return False
        try:
            context = self._make()
            ends = None if self._certificate is None else _end_of(self._certificate)
        except (OSError, ValueError):
            return False
        self._context, self.ends = context, ends
        return True


def build_server_tls(section: ServerTlsSection | None, report: Report, surroundings: Surroundings) -> Tls | None:
    """What connections to the gateway are taken with; None where it speaks plain HTTP. Offline no file is read."""
    if section is None:
        return None
    if surroundings.offline:
        return Tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    loc: Loc = ("server", "tls")
    cert, key, authorities = (
        None if name is None else (surroundings.folder / name).absolute()
        for name in (section.cert_file, section.key_file, section.client_ca_file)
    )
    before = report.count
    _check_pair(cert, key, loc, ("cert_file", "key_file"), report)
    _check_authorities(authorities, (*loc, "client_ca_file"), report)
    if report.count > before or cert is None or key is None:
        return None

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[section.min_version]
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        show(context, cert, key)
        if authorities is not None:
            context.load_verify_locations(cafile=authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return _mounted(loc, (cert, key, authorities), make, cert, surroundings)


def build_target_tls(section: TargetSection, loc: Loc, report: Report, surroundings: Surroundings) -> Tls | None:
    """What a target is called with; None where the system's authorities are believed and nothing is shown."""
    names = ("ca_file", "client_cert_file", "client_key_file")
    given = [name for name in names if getattr(section, name) is not None]
    if not given:
        return None
    before = report.count
    if section.base_url is not None and not section.base_url.startswith("https://"):
        report.add((*loc, given[0]), f"`{given[0]}` means nothing without https in `base_url`; mend one of them")
    if (section.client_cert_file is None) != (section.client_key_file is None):
        lone = "client_cert_file" if section.client_key_file is None else "client_key_file"
        report.add((*loc, lone), "`client_cert_file` and `client_key_file` go together; add the other one", at_key=True)
    if surroundings.offline or report.count > before:
        return None
    authorities, cert, key = (
        None if name is None else (surroundings.folder / name).absolute()
        for name in (section.ca_file, section.client_cert_file, section.client_key_file)
    )
    _check_pair(cert, key, loc, ("client_cert_file", "client_key_file"), report)
    _check_authorities(authorities, (*loc, "ca_file"), report)
    if report.count > before:
        return None

    def make() -> ssl.SSLContext:
        return client_context(authorities, cert, key)

    return _mounted(loc, (authorities, cert, key), make, cert, surroundings)


def build_authorities(path: Path, loc: Loc, report: Report, surroundings: Surroundings) -> Tls | None:
    """What is believed of a server that is asked for one purpose alone; None where the report says why not."""
    before = report.count
    _check_authorities(path, loc, report)
    if report.count > before:
        return None
    return _mounted(loc, (path,), lambda: ssl.create_default_context(cafile=path), None, surroundings)


def _mounted(
    loc: Loc,
    paths: Sequence[Path | None],
    make: Callable[[], ssl.SSLContext],
    certificate: Path | None,
    surroundings: Surroundings,
) -> Tls:
    name = ".".join(map(str, loc))
    made = MountedTls(name, [path for path in paths if path is not None], make, certificate)
    surroundings.mounted.append(made)
    return made


def _check_pair(cert: Path | None, key: Path | None, loc: Loc, names: tuple[str, str], report: Report) -> None:
    if cert is None or key is None:
        return
    try:
        _end_of(cert)
    except (OSError, ValueError):
        report.add((*loc, names[0]), f"`{names[0]}` holds no certificate that can be read; name a PEM file")
        return
    try:
        expect_regular(key)
        show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), cert, key)
    except (OSError, ValueError):
        # What the library says of it may quote it.
        wrong = f"`{names[1]}` holds no key of that certificate's that can be read"
        report.add((*loc, names[1]), f"{wrong}; name a PEM file without a passphrase")


def _check_authorities(path: Path | None, loc: Loc, report: Report) -> None:
    if path is None:
        return
    try:
        expect_regular(path)
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        report.add(loc, f"`{loc[-1]}` holds no certificates that can be read; name a PEM file")


def _end_of(certificate: Path) -> float:
    """When the first certificate of the file ends, in seconds since the epoch.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds none.
    """
    from cryptography import x509  # noqa: PLC0415  loaded only where there are certificates: it takes its time

    return x509.load_pem_x509_certificate(_content(certificate)).not_valid_after_utc.timestamp()


def _contents(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """What the files hold; nothing in place of what cannot be read."""
    found: list[bytes] = []
    for path in paths:
        try:
            found.append(_content(path))
        except OSError:
            found.append(b"")
    return tuple(found)


def _content(path: Path) -> bytes:
    return read_regular(path, _MAX_BYTES)
