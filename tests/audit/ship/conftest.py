"""What do the tests of shipping share? Journals written by hand as documented, and places to ship them to."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from gateway.audit.line import NO_LINE, Value, canonical
from gateway.audit.note import Checkpoint, SigningKey, signed
from gateway.audit.places import EpochPlaces, Places, event_of, whole_lines
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.s3_store import Bucket
from gateway.audit.ship.sigv4 import S3Key
from gateway.audit.tree import Tree, leaf_hash
from gateway.domain.target import Secret

NAME: Final = "example.test/audit"
PATIENCE_S: Final = 15.0


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A folder of journals, with none in it yet."""
    root = tmp_path / "audit"
    (root / "registry").mkdir(parents=True)
    return Places(root)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of another owner's."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
def pace() -> Pace:
    """Short waits."""
    return Pace(
        poll_s=0.01, first_s=0.01, most_s=0.05, slow_s=0.05, idle_s=0.05, save_s=0.02, anchor_s=0.0, grace_s=5.0
    )


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    return SigningKey.draw(NAME)


@pytest.fixture
def register(places: Places, signing_key: SigningKey) -> Callable[..., None]:
    """``register(entry, epoch, **more)`` adds an entry to the registry."""
    leaves: list[bytes] = []

    def add(entry: str, epoch: str, **more: Value) -> None:
        tree = Tree()
        for leaf in leaves:
            tree.add(leaf)
        number = len(leaves) + 1
        prev = leaves[-1].hex() if leaves else NO_LINE
        line = canonical({"v": 1, "entry": entry, "number": number, "prev": prev, "time": 1, "epoch": epoch, **more})
        leaves.append(leaf_hash(line))
        tree.add(leaves[-1])
        note = signed(Checkpoint(origin=f"{NAME}/registry", size=number, root=tree.root).text, [signing_key])
        draft = places.registry / f".{number:08d}"
        draft.write_bytes(line + b"\n\n" + note)
        draft.rename(places.registry / f"{number:08d}")

    return add


@pytest.fixture
def begin(places: Places, register: Callable[..., None]) -> Callable[[], EpochPlaces]:
    """Begin an epoch; later ones have later names."""
    begun: list[str] = []

    def make() -> EpochPlaces:
        name = f"20260102T0304{len(begun):02d}Z-{secrets.token_hex(4)}"
        begun.append(name)
        epoch = places.epoch(name)
        epoch.folder.mkdir(parents=True)
        epoch.journal.touch()
        epoch.checkpoints.touch()
        register("opened", name, process="worker")
        return epoch

    return make


@pytest.fixture
def fill() -> Callable[..., None]:
    """``fill(epoch, count, size=10)`` appends records of about ``size`` bytes, at once."""
    heads: dict[str, tuple[int, str]] = {}

    def append(epoch: EpochPlaces, count: int, size: int = 10) -> None:
        number, prev = heads.get(epoch.epoch, (0, NO_LINE))
        lines: list[bytes] = []
        for one in range(number, number + count):
            event = event_of(epoch.epoch, one)
            fields: Mapping[str, Value] = {"v": 1, "phase": "heartbeat", "event": event, "prev": prev, "time": one}
            lines.append(canonical({**fields, "build": "x" * size}))
            prev = leaf_hash(lines[-1]).hex()
        with epoch.journal.open("ab") as file:
            file.write(b"".join([line + b"\n" for line in lines]))
        heads[epoch.epoch] = (number + count, prev)

    return append


def _tree(epoch: EpochPlaces) -> Tree:
    tree = Tree()
    for line in whole_lines(epoch.journal):
        tree.add(leaf_hash(line))
    return tree


@pytest.fixture
def attest(signing_key: SigningKey) -> Callable[[EpochPlaces], bytes]:
    """Append a checkpoint over all records that an epoch has; the note."""

    def append(epoch: EpochPlaces) -> bytes:
        tree = _tree(epoch)
        text = Checkpoint(origin=f"{NAME}/{epoch.epoch}", size=tree.size, root=tree.root).text
        note = signed(text, [signing_key])
        with epoch.checkpoints.open("ab") as file:
            file.write(note + b"\n")
        return note

    return append


@pytest.fixture
def finish(register: Callable[..., None]) -> Callable[..., None]:
    """``finish(epoch, "closed" | "sealed" | "pruned", torn=0)``; a pruned one loses its journal."""

    def end(epoch: EpochPlaces, entry: str, torn: int = 0) -> None:
        tree = _tree(epoch)
        more: dict[str, Value] = {"torn": torn} if entry == "sealed" else {}
        register(entry, epoch.epoch, size=tree.size, root=tree.root.hex(), **more)
        if entry == "pruned":
            epoch.journal.unlink()

    return end


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds."""

    def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    return wait


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something holds, while others go on."""

    async def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            await asyncio.sleep(0.005)

    return wait


@dataclass(kw_only=True)
class Post:
    """A request that the scripted server got, and what it answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass(kw_only=True)
class Hook:
    """A scripted HTTP server. ``script`` are the next answers, then each is 200; 0 means to hang up without one."""

    url: str
    port: int
    script: list[tuple[int, Mapping[str, str]]] = field(default_factory=list[tuple[int, Mapping[str, str]]])
    posts: list[Post] = field(default_factory=list[Post])
    hang: threading.Event = field(default_factory=threading.Event)
    """Answers wait while this is set."""

    @property
    def lines(self) -> list[bytes]:
        """What was acknowledged, in its order."""
        return [line for post in self.posts if post.status == 200 for line in post.body.split(b"\n")[:-1]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hook: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        while self.hook.hang.is_set():
            time.sleep(0.01)
        status, headers = self.hook.script.pop(0) if self.hook.script else (200, dict[str, str]())
        named = {name.lower(): value for name, value in self.headers.items()}
        self.hook.posts.append(Post(method=self.command, path=self.path, headers=named, body=body, status=status))
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"content-length": "2", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Generator[int]:
    """A server over loopback; its port."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that takes everything until its script says otherwise."""

    class Handler(_Handler):
        pass

    with _serving(Handler) as port:
        Handler.hook = Hook(url=f"http://127.0.0.1:{port}/in", port=port)
        yield Handler.hook
        Handler.hook.hang.clear()


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Where nobody listens, and nobody will meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/in"


class RedisServer:
    """A server that keeps what it acknowledged, even where it is killed."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.password = "planted-redis-password"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {
            "port": self.port, "bind": "127.0.0.1", "dir": self._folder, "requirepass": self.password, "save": "",
            "appendonly": "yes", "appendfsync": "always",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen([self._binary, *words], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as client:
                client.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                return b"PONG" in b"".join(iter(lambda: client.recv(100), b""))
        except OSError:
            return False


@pytest.fixture
def redis_server(redis_binary: str, tmp_path: Path) -> Iterator[RedisServer]:
    """A real server, running, with nothing in it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(redis_binary, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def events() -> Callable[[list[bytes]], list[str]]:
    """The events of lines, each where it came first."""

    def read(lines: list[bytes]) -> list[str]:
        return list(dict.fromkeys(str(json.loads(line)["event"]) for line in lines))

    return read


_SECRET: Final = "planted/secret+access=key"
_PUT_WITH: Final = {"PUT": ("content-md5", "if-none-match"), "GET": ()}
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=PLANTEDID/(\d{8})/eu-test-1/s3/aws4_request,SignedHeaders=([a-z0-9;-]+),"
    r"Signature=([0-9a-f]{64})"
)


@dataclass(kw_only=True)
class Store:
    """An object store: ``faults`` are statuses that it answers next, instead of doing what it is asked."""

    bucket: Bucket
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    faults: list[int] = field(default_factory=list[int])
    calls: list[str] = field(default_factory=list[str])
    forgetful: bool = False
    hang: threading.Event = field(default_factory=threading.Event)
    """Answers wait while this is set."""

    def download(self, folder: Path) -> Path:
        """What lies in the bucket, as tools for that lay it out; where the only log of it is."""
        start = f"/{self.bucket.bucket}/{self.bucket.prefix}"
        for name, content in list(self.objects.items()):
            path = folder / unquote(name).removeprefix(start)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (log,) = folder.iterdir()
        return log


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _rightly_signed(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """Whether the signature is the one of this very request."""
    found = _AUTHORIZATION.fullmatch(handler.headers["authorization"])
    if found is None or handler.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return False
    day, names, signature = found.groups()
    covered = {"host", "x-amz-content-sha256", "x-amz-date", *_PUT_WITH[handler.command]}
    if not covered <= set(names.split(";")) or names.split(";") != sorted(names.split(";")):
        return False
    request = [handler.command, handler.path, ""]
    request += [f"{name}:{handler.headers[name]}" for name in names.split(";")]
    request += ["", names, hashlib.sha256(body).hexdigest()]
    hashed = hashlib.sha256("\n".join(request).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{handler.headers['x-amz-date']}\n{day}/eu-test-1/s3/aws4_request\n{hashed}"
    key = _digest(_digest(_digest(_digest(f"AWS4{_SECRET}".encode(), day), "eu-test-1"), "s3"), "aws4_request")
    return hmac.compare_digest(_digest(key, text).hex(), signature)


def _is_locked_rightly(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """Whether a bucket with a default retention takes it: those want a checksum beside the signature."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return base64.b64decode(handler.headers.get("content-md5", "")) == digest


class _Keeping(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._refused(body):
            if not _is_locked_rightly(self, body):
                self._answer(400)
            elif self.path in self.store.objects and self.headers["if-none-match"] == "*":
                self._answer(412)
            else:
                self.store.objects[self.path] = body
                self._answer(200)

    def do_GET(self) -> None:
        if not self._refused(b""):
            found = None if self.store.forgetful else self.store.objects.get(self.path)
            self._answer(404 if found is None else 200, found or b"")

    def _refused(self, body: bytes) -> bool:
        while self.store.hang.is_set():
            time.sleep(0.01)
        self.store.calls.append(f"{self.command} {self.path}")
        status = 403 if not _rightly_signed(self, body) else self.store.faults.pop(0) if self.store.faults else 0
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
    """A store with nothing in it, which works out each signature by code of its own."""

    class Its(_Keeping):
        pass

    key = S3Key(access_key_id=Secret("PLANTEDID"), secret_access_key=Secret(_SECRET), region="eu-test-1")
    with _serving(Its) as port:
        place = f"http://127.0.0.1:{port}"
        Its.store = Store(bucket=Bucket(endpoint=place, bucket="evidence", prefix="gate ways/", key=key, timeout_s=2.0))
        yield Its.store
        Its.store.hang.clear()
