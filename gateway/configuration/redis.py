"""Where do many gateways count together, and how is the Redis there reached?"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from gateway.configuration.schema_redis import RedisSection
from gateway.configuration.secrets import Surroundings, resolve
from gateway.domain.address import Kind, is_loopback, kind_of, literal
from gateway.domain.target import Secret
from gateway.domain.value import value
from gateway.yamlfile.pem import show
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.regular import expect_regular
from gateway.yamlfile.report import Report

_PORT: Final = 6379
_TLS_FILES: Final = ("ca_file", "cert_file", "key_file")


class Reread:
    """A credential that is read anew whenever it is asked for: the file that holds it may have changed."""

    __slots__ = ("_reference", "_surroundings")

    def __init__(self, reference: str, surroundings: Surroundings) -> None:
        self._reference = reference
        self._surroundings = surroundings

    def __call__(self) -> Secret:
        """Read it; raises ``ValueError`` where it leads to nothing usable."""
        # Fixed: what is asked for anew each time is not to be followed besides.
        return resolve(self._reference, self._surroundings, in_header=False, fixed=True)


@value
class RedisSettings:
    """Where it is and how to be let in. ``tls`` says whether; files are absolute, None where nothing was said."""

    host: str
    port: int
    db: int
    tls: bool
    cluster: bool
    username: str | None
    password: Callable[[], Secret] | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    prefix: str
    timeout_s: float
    replicas: int
    on_failure: Literal["local", "close"]


def build_redis(
    section: RedisSection | None, report: Report, surroundings: Surroundings, loc: Loc = ("limits", "redis")
) -> RedisSettings | None:
    """Its settings; None where there is no section, or once its problems are in the report."""
    if section is None:
        return None
    before = report.count
    url = _url(section.url, (*loc, "url"), report)
    files = _files(section, loc, report, surroundings, tls=url is None or url.scheme == "rediss")
    password = _password(section, loc, report, surroundings)
    if url is None or report.count > before:
        return None
    db = _db(url)
    if section.cluster and db:
        report.add((*loc, "url"), "a cluster has no databases; leave out what stands behind the port")
        return None
    host = url.hostname or ""
    if url.scheme == "redis" and not is_loopback(host):
        report.warn((*loc, "url"), "the address is redis: the password crosses the network unencrypted; use rediss")
    return RedisSettings(
        host=host,
        port=url.port or _PORT,
        db=db,
        tls=url.scheme == "rediss",
        cluster=section.cluster,
        username=section.username,
        password=password,
        ca_file=files["ca_file"],
        cert_file=files["cert_file"],
        key_file=files["key_file"],
        prefix=section.prefix,
        timeout_s=section.timeout_ms / 1000,
        replicas=section.replicas,
        on_failure=section.on_failure,
    )


def _url(text: str, loc: Loc, report: Report) -> SplitResult | None:
    wrong = _wrong_with(text)
    if wrong is None:
        return urlsplit(text)
    report.add(loc, f"`url` {wrong}")
    return None


def _wrong_with(text: str) -> str | None:
    """Why ``text`` is no address of a Redis, if it is none."""
    try:
        url = urlsplit(text)
        sound = bool(url.hostname) and url.port != 0 and all("!" <= char <= "~" for char in text) and "\\" not in text
    except ValueError:
        sound, url = False, urlsplit("")
    if not sound or url.scheme not in ("redis", "rediss"):
        return "must be an address that begins with redis:// or rediss://, such as rediss://redis.example.com:6379/0"
    if "@" in url.netloc:
        return "must hold no credentials; name them in `username` and `password`, as `env:NAME` or `file:PATH`"
    if "?" in text or "#" in text:
        return "must have no query or fragment; each setting has a key of its own"
    if url.path not in ("", "/") and not (url.path[1:].isascii() and url.path[1:].isdigit() and len(url.path) < 7):
        return "must end with the port or with the number of a database, such as /0"
    return _wrong_with_host(url.hostname or "")


def _wrong_with_host(host: str) -> str | None:
    try:
        address = literal(host)
    except ValueError:
        return "must hold a host's name, or its address in the usual form, such as 10.0.0.1"
    if address is None or kind_of(address) in (Kind.PUBLIC, Kind.PRIVATE):
        return None
    return "holds an address that no Redis has: link-local, multicast, reserved, or a cloud's for credentials"


def _db(url: SplitResult) -> int:
    return int(url.path[1:] or "0")


def _files(
    section: RedisSection, loc: Loc, report: Report, surroundings: Surroundings, *, tls: bool
) -> dict[str, Path | None]:
    given = {"ca_file": section.ca_file, "cert_file": section.cert_file, "key_file": section.key_file}
    for name in _TLS_FILES:
        if given[name] is not None and not tls:
            report.add((*loc, name), f"`{name}` means nothing without TLS; write rediss:// in `url`", at_key=True)
    if section.key_file is not None and section.cert_file is None:
        report.add((*loc, "key_file"), "a key alone shows nothing; name its certificate in `cert_file`", at_key=True)
    files = {name: None if text is None else (surroundings.folder / text).absolute() for name, text in given.items()}
    if tls and not surroundings.offline:
        _check_files(files, loc, report)
    return files


def _check_files(files: dict[str, Path | None], loc: Loc, report: Report) -> None:
    """Read them once: what cannot be used now is a mistake, and what cannot be used later is an outage."""
    ca, cert, key = (files[name] for name in _TLS_FILES)
    try:
        expect_regular(ca)
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError):
        report.add((*loc, "ca_file"), "holds no certificates that can be read; name a PEM file")
        return
    if cert is None:
        return
    try:
        expect_regular(cert, key)
        show(context, cert, key)
    except (OSError, ValueError):
        message = "this and its key are no pair that can be read; name PEM files, whose key has no passphrase"
        report.add((*loc, "cert_file"), message)


def _password(
    section: RedisSection, loc: Loc, report: Report, surroundings: Surroundings
) -> Callable[[], Secret] | None:
    if section.password is None:
        if section.username is not None:
            report.add((*loc, "username"), "a user alone is not let in; add `password` as `env:NAME` or `file:PATH`")
        return None
    reread = Reread(section.password, surroundings)
    try:
        reread()
    except ValueError as error:
        report.add((*loc, "password"), str(error))
    return reread
