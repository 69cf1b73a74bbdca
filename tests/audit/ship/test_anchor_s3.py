"""Against a store that works out each signature by code of its own."""

import hashlib
import hmac
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.audit.note import Checkpoint, SigningKey, signed
from gateway.audit.ship.anchor import Anchored, Forked, anchored
from gateway.audit.ship.anchor_s3 import S3Anchor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.sigv4 import S3Key
from gateway.domain.target import Secret

EPOCH = "20260102T030405Z-0123abcd"
SECRET = "planted/secret+access=key"
KEY = S3Key(access_key_id=Secret("PLANTEDID"), secret_access_key=Secret(SECRET), region="eu-test-1")
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=PLANTEDID/(\d{8})/eu-test-1/s3/aws4_request,SignedHeaders=([a-z0-9;-]+),"
    r"Signature=([0-9a-f]{64})"
)


@dataclass(kw_only=True)
class Store:
    """An object store: ``faults`` are statuses that it answers next, instead of doing what it is asked."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    faults: list[int] = field(default_factory=list[int])
    calls: list[str] = field(default_factory=list[str])
    forgetful: bool = False


def digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def rightly_signed(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """Whether the signature is the one of this very request."""
    found = AUTHORIZATION.fullmatch(handler.headers["authorization"])
    if found is None or handler.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return False
    day, names, signature = found.groups()
    covered = {"host", "x-amz-content-sha256", "x-amz-date", *(["if-none-match"] if handler.command == "PUT" else [])}
    if not covered <= set(names.split(";")) or names.split(";") != sorted(names.split(";")):
        return False
    request = [handler.command, handler.path, ""]
    request += [f"{name}:{handler.headers[name]}" for name in names.split(";")]
    request += ["", names, hashlib.sha256(body).hexdigest()]
    hashed = hashlib.sha256("\n".join(request).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{handler.headers['x-amz-date']}\n{day}/eu-test-1/s3/aws4_request\n{hashed}"
    key = digest(digest(digest(digest(f"AWS4{SECRET}".encode(), day), "eu-test-1"), "s3"), "aws4_request")
    return hmac.compare_digest(digest(key, text).hex(), signature)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._refused(body):
            if self.path in self.store.objects and self.headers["if-none-match"] == "*":
                self._answer(412)
            else:
                self.store.objects[self.path] = body
                self._answer(200)

    def do_GET(self) -> None:
        if not self._refused(b""):
            found = None if self.store.forgetful else self.store.objects.get(self.path)
            self._answer(404 if found is None else 200, found or b"")

    def _refused(self, body: bytes) -> bool:
        self.store.calls.append(f"{self.command} {self.path}")
        status = 403 if not rightly_signed(self, body) else self.store.faults.pop(0) if self.store.faults else 0
        if status:
            self._answer(status)
        return bool(status)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    class Its(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Its)
    server.daemon_threads = True
    Its.store = Store(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Its.store
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def anchor(store: Store) -> AsyncIterator[S3Anchor]:
    anchor = S3Anchor(f"{store.url}/", "evidence", "gate ways/", KEY, 2.0)
    yield anchor
    await anchor.close()


def checkpoint(key: SigningKey, root: bytes = b"r" * 32) -> Anchored:
    text = Checkpoint(origin=f"example.test/audit/{EPOCH}", size=3, root=root).text
    found = anchored(signed(text, [key]), EPOCH)
    assert found is not None
    return found


async def test_it_is_put_verbatim_under_its_names(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    name = f"/evidence/gate%20ways/example.test~audit/{EPOCH}/0000000000000003"
    assert store.objects == {name: what.note}


async def test_the_same_twice_is_compared_and_left(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    await anchor.keep(what)
    assert [call.split()[0] for call in store.calls] == ["PUT", "PUT", "GET"]
    assert list(store.objects.values()) == [what.note]


async def test_a_fork_is_noticed_and_nothing_is_overwritten(
    anchor: S3Anchor, store: Store, signing_key: SigningKey
) -> None:
    what = checkpoint(signing_key)
    await anchor.keep(what)
    with pytest.raises(Forked):
        await anchor.keep(checkpoint(signing_key, b"s" * 32))
    assert list(store.objects.values()) == [what.note]


@pytest.mark.parametrize(("status", "for_good"), [(403, True), (404, True), (409, False), (429, False), (503, False)])
async def test_a_refusal_is_no_success(
    anchor: S3Anchor, store: Store, signing_key: SigningKey, status: int, for_good: bool
) -> None:
    store.faults = [status]
    with pytest.raises(NotTaken) as caught:
        await anchor.keep(checkpoint(signing_key))
    assert caught.value.for_good is for_good
    assert not store.objects


async def test_a_comparison_that_fails_is_no_success(anchor: S3Anchor, store: Store, signing_key: SigningKey) -> None:
    await anchor.keep(checkpoint(signing_key))
    store.faults = [412, 500]
    with pytest.raises(NotTaken, match="500"):
        await anchor.keep(checkpoint(signing_key))
    store.forgetful = True
    with pytest.raises(NotTaken, match="came and went"):
        await anchor.keep(checkpoint(signing_key))


async def test_a_wrong_key_is_refused_and_not_told(store: Store, signing_key: SigningKey) -> None:
    wrong = replace(KEY, secret_access_key=Secret("planted-wrong"))
    anchor = S3Anchor(store.url, "evidence", "", wrong, 2.0)
    with pytest.raises(NotTaken) as caught:
        await anchor.keep(checkpoint(signing_key))
    await anchor.close()
    assert caught.value.reason == "HTTP 403"


async def test_a_store_that_is_gone_is_told_of_by_name_alone(dead_url: str, signing_key: SigningKey) -> None:
    anchor = S3Anchor(dead_url, "evidence", "", KEY, 2.0)
    with pytest.raises(NotTaken, match="ConnectError"):
        await anchor.keep(checkpoint(signing_key))
    await anchor.close()
