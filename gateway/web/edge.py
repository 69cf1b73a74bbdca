"""What does a request say of itself before its body is read?

Headers on which a decision hangs may stand only once: two parsers never see two different requests.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.domain.address import is_loopback
from gateway.domain.errors import BodyTooLarge, ForeignOrigin, InvalidField, UnsupportedEncoding

Scope: TypeAlias = MutableMapping[str, Any]
AsgiMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]

Headers: TypeAlias = dict[bytes, bytes]

_DECIDING = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"upgrade",
        b"x-api-key",
    }
)
_JSON = b"application/json"
_COMPRESSIONS = frozenset({b"gzip", b"x-gzip", b"deflate"})
_HTTP = re.compile(r"\Ahttps?://")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


# Where the server leaves what it knows of the connection, in the scope of each of its requests.
RUNNING = "splitgate.running"


@dataclass(slots=True)
class Running:
    """The task that serves a connection at the moment, and whether its client has gone away or we are about to."""

    task: asyncio.Task[None] | None = None
    lost: bool = False
    stopping: bool = False


# A length of more digits is no length: Python refuses to read thousands of them as a number.
_MAX_DIGITS = 20


class Disconnected(Exception):
    """The client went away before its request was whole."""


def deciding_headers(scope: Scope) -> Headers:
    """The headers that decide something.

    Raises:
        InvalidField: one of them stands twice.
    """
    found: Headers = {}
    for name, value in scope["headers"]:
        if name in _DECIDING:
            if name in found:
                raise InvalidField(f"header {name.decode()} stands twice; send it once", param=name.decode())
            found[name] = value
    return found


def check_origin(headers: Headers, allowed_hosts: frozenset[str]) -> None:
    """Without keys, only pages and programs of this machine may call: refuse foreign ``Host`` and ``Origin``.

    Raises:
        ForeignOrigin: a web page of another site, or a rebound name, is calling.
    """
    names = allowed_hosts | _LOOPBACK
    host = _hostname(headers.get(b"host", b"").decode("latin-1"))
    # An address is no name that somebody could rebind, so that 127.0.0.2 will do as well.
    if host not in names and not is_loopback(host or ""):
        raise ForeignOrigin("this Host is not the gateway's; call it by 127.0.0.1 or localhost, or configure keys")
    origin = headers.get(b"origin")
    if origin is not None and _hostname(_HTTP.sub("", origin.decode("latin-1"), count=1)) not in names:
        raise ForeignOrigin("calls from pages of another origin are refused; configure keys to allow them")


def _hostname(authority: str) -> str | None:
    """The lower-case name or address of ``host[:port]``; None where it is anything else."""
    found = _AUTHORITY.fullmatch(authority)
    return None if found is None else found[1].strip("[]").lower()


def check_json(headers: Headers, *, compressed: bool = False) -> None:
    """Refuse what is not JSON: a form post needs no preflight; and what is not plain, unless ``compressed`` is allowed.

    Raises:
        InvalidField: the request offers another protocol.
        UnsupportedEncoding: another content type, or a content encoding that is not allowed.
    """
    if b"upgrade" in headers:
        # The HTTP parser gives up the body of such a request: say so, rather than that the body is empty.
        raise InvalidField(
            "this server speaks HTTP/1.1 alone; send the request without header upgrade", param="upgrade"
        )
    kind = headers.get(b"content-type", b"")
    if kind != _JSON and kind.partition(b";")[0].strip().lower() != _JSON:
        raise UnsupportedEncoding("send the body as content-type application/json")
    if b"content-encoding" in headers:
        _check_encoding(headers, compressed=compressed)


def _check_encoding(headers: Headers, *, compressed: bool) -> None:
    encoding = content_encoding(headers)
    if encoding == b"identity":
        return
    if not compressed:
        raise UnsupportedEncoding(
            "compressed bodies are refused; send the body without content-encoding, or set server.compressed_bodies"
        )
    if encoding not in _COMPRESSIONS:
        raise UnsupportedEncoding("a body may be compressed once, by gzip or deflate; send it so, or uncompressed")


def content_encoding(headers: Headers) -> bytes:
    """The encoding that the body is said to have, in lower case."""
    return headers.get(b"content-encoding", b"identity").strip().lower()


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """Read the body, at most ``limit`` bytes; an announced excess is refused before anything is read.

    Raises:
        BodyTooLarge: more than ``limit`` bytes were announced or came.
        Disconnected: the client went away.
    """
    announced = headers.get(b"content-length")
    if announced is not None and (not announced.isdigit() or len(announced) > _MAX_DIGITS or int(announced) > limit):
        raise too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request" and len(body) <= limit:
        return body
    chunks = [body]
    size = len(body)
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)


def too_large(limit: int) -> BodyTooLarge:
    """The error of a body over ``limit`` bytes."""
    return BodyTooLarge(f"the body is over {limit} bytes; send less, or raise server.max_body_bytes")
