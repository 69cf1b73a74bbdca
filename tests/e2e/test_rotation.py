"""What changes beside a running gateway is taken up, and nobody who calls meanwhile notices."""

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import pytest

Json = dict[str, Any]
PATIENCE_S = 60.0
ASKED: Json = {"model": "one", "instructions": "Summarise.", "data": "d"}


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def metrics(self) -> str | None: ...
    @property
    def process(self) -> "subprocess.Popen[str]": ...
    @property
    def log(self) -> Path: ...


class Upstream(Protocol):
    url: str
    headers: list[dict[str, str]]
    script: Any

    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


class Issued(Protocol):
    ends: float

    def write(self, folder: Path, name: str) -> tuple[Path, Path]: ...


Keep = Callable[..., Gateway]
Chunk = Callable[..., Json]
Certify = Callable[..., Issued]


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def told(gateway: Gateway, mark: str, times: int = 1) -> bool:
    return gateway.log.read_text().count(mark) >= times


def figure(gateway: Gateway, start: str) -> float:
    assert gateway.metrics is not None
    lines = httpx.get(gateway.metrics, trust_env=False).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(start))


@dataclass
class Calling:
    """Clients that call again and again, some over connections that they keep, some over new ones."""

    url: str
    answered: int = 0
    failed: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)

    def kept(self) -> None:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S) as client:
            while not self.over.is_set():
                self._once(client)

    def anew(self) -> None:
        context = ssl.create_default_context()  # made once: it costs more than the call
        while not self.over.is_set():
            with httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S, verify=context) as client:
                self._once(client)

    def _once(self, client: httpx.Client) -> None:
        try:
            status = client.post("/v1/split", json=ASKED).status_code
        except httpx.HTTPError as error:
            self.failed.append(repr(error))
        else:
            self.answered += 1
            # Between its calls the gateway is to get on with what it does.
            self.over.wait(0.01)
            if status != 200:
                self.failed.append(str(status))


@contextmanager
def calling(gateway: Gateway) -> Generator[Calling]:
    """Nobody who calls while the context lasts is to be let down."""
    calls = Calling(gateway.url)
    with ThreadPoolExecutor(3) as threads:
        for each in (calls.kept, calls.kept, calls.anew):
            threads.submit(each)
        try:
            until(lambda: calls.answered > 10)
            yield calls
            more = calls.answered + 10
            until(lambda: calls.answered > more)
        finally:
            calls.over.set()
    assert calls.failed == []


CONFIG = """
audit: {{dir: audit, deadline_s: 20}}
models:
  one: {{targets: [{{provider: openai_compatible, base_url: "{url}", model: m, api_key: "file:key"}}]}}
"""


def configure(folder: Path, url: str, more: str = "") -> str:
    """The text of a configuration whose credential is a link, as Kubernetes mounts it."""
    versions = folder / "..first"
    if not versions.exists():
        versions.mkdir()
        (versions / "key").write_text("planted-key-one\n")
        (folder / "..data").symlink_to(versions.name)
        (folder / "key").symlink_to("..data/key")
    return CONFIG.format(url=url) + more


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rotation")


@pytest.fixture(scope="module")
def rotating(keep_gateway: Keep, _upstream_server: Upstream, folder: Path) -> Gateway:
    """A gateway of one worker."""
    return keep_gateway(configure(folder, _upstream_server.url), folder=folder)


def replace_and_change(gateway: Gateway, folder: Path, text: str, workers: int) -> None:
    with calling(gateway):
        gateway.process.send_signal(signal.SIGUSR2)
        until(lambda: told(gateway, "gave way to a new one", workers))
    (folder / "splitgate.yaml").write_text(text)
    with calling(gateway):
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: told(gateway, "every worker runs the new configuration"))
    assert figure(gateway, 'splitgate_config_loads_total{result="taken"}') == 1.0


@pytest.mark.xdist_group("rotation")
def test_nobody_notices_that_the_only_worker_is_replaced_or_takes_up_another_configuration(
    rotating: Gateway, upstream: Upstream, folder: Path
) -> None:
    more = f'  two: {{targets: [{{provider: openai_compatible, base_url: "{upstream.url}", model: m}}]}}\n'
    moved = "telemetry: {metrics: {port: 1}}\n"
    replace_and_change(rotating, folder, configure(folder, upstream.url, more + moved), workers=1)
    assert told(rotating, "needs a restart, and stays as it was until then: telemetry.metrics.port")
    answered = httpx.post(f"{rotating.url}/v1/split", json={**ASKED, "model": "two"}, trust_env=False)
    assert answered.status_code == 200


@pytest.mark.exhaustive
def test_nobody_notices_that_two_workers_are_replaced_or_take_up_another_configuration(
    keep_gateway: Keep, upstream: Upstream, tmp_path: Path
) -> None:
    gateway = keep_gateway(configure(tmp_path, upstream.url), folder=tmp_path, workers=2)
    text = configure(tmp_path, upstream.url, "server: {max_concurrent: 100}\n")
    replace_and_change(gateway, tmp_path, text, workers=2)


@pytest.mark.xdist_group("rotation")
def test_a_configuration_that_cannot_be_used_leaves_all_as_it_was(rotating: Gateway, folder: Path) -> None:
    good = (folder / "splitgate.yaml").read_text()
    running = httpx.get(f"{rotating.url}/admin/configuration", trust_env=False).json()
    (folder / "splitgate.yaml").write_text(f"{good}sever: {{}}\n")
    rotating.process.send_signal(signal.SIGHUP)
    line = good.count("\n") + 1
    place = f"splitgate.yaml:{line}:1: there is no key `sever` here; did you mean `server`?"
    until(lambda: told(rotating, place))
    assert told(rotating, "the configuration is not taken up, everything goes on as it was")
    assert figure(rotating, "splitgate_config_refused") == 1.0
    assert httpx.get(f"{rotating.url}/admin/configuration", trust_env=False).json() == running
    (folder / "splitgate.yaml").write_text(good)
    rotating.process.send_signal(signal.SIGHUP)
    until(lambda: figure(rotating, "splitgate_config_refused") == 0.0)
    assert httpx.get(f"{rotating.url}/admin/configuration", trust_env=False).json() == running


@pytest.mark.xdist_group("rotation")
def test_a_new_key_in_a_mounted_file_reaches_the_upstream_and_leaves_a_record(
    rotating: Gateway, upstream: Upstream, folder: Path
) -> None:
    def bearer() -> str:
        assert httpx.post(f"{rotating.url}/v1/split", json=ASKED, trust_env=False).status_code == 200
        return upstream.headers[-1]["authorization"]

    assert bearer() == "Bearer planted-key-one"
    (folder / "..second").mkdir()
    (folder / "..second" / "key").write_text("planted-key-two\n")
    (folder / "..next").symlink_to("..second")
    (folder / "..next").rename(folder / "..data")
    until(lambda: bearer() == "Bearer planted-key-two")
    records = [line for one in (folder / "audit").glob("epochs/*/journal") for line in one.read_bytes().splitlines()]
    noted = [json.loads(line) for line in records if b'"secret"' in line]
    assert [(one["phase"], one["what"], one["name"]) for one in noted] == [
        ("config", "secret", "models.one.targets.0.api_key")
    ]
    assert not any(b"planted" in line for line in records)
    [mounted] = httpx.get(f"{rotating.url}/admin/configuration", trust_env=False).json()["mounted"]
    assert (mounted["name"], mounted["usable"]) == ("models.one.targets.0.api_key", True)
    assert mounted["changed_at"] is not None
    # What cannot be used changes nothing, and a metric says so.
    (folder / "..second" / "key").write_text("")
    until(lambda: figure(rotating, 'splitgate_secret_stale{name="models.one.targets.0.api_key"}') == 1.0)
    assert bearer() == "Bearer planted-key-two"


@dataclass(kw_only=True)
class Encrypted:
    """A gateway that asks for certificates, and clients' contexts for it."""

    gateway: Gateway
    folder: Path
    authority: Issued

    def context(self, *, shows: bool) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.folder / "authority.pem")
        if shows:
            made.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return made

    def client(self, *, shows: bool = True) -> httpx.Client:
        made = self.context(shows=shows)
        return httpx.Client(base_url=self.gateway.url, trust_env=False, verify=made, timeout=PATIENCE_S)

    def shown(self) -> bytes:
        """The certificate that a new connection is shown."""
        place = urlsplit(self.gateway.url)
        with socket.create_connection((str(place.hostname), place.port or 0), timeout=PATIENCE_S) as plain:
            context = self.context(shows=True)
            # Whoever vouches for it is not the question here.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as wrapped:
                return wrapped.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def encrypted(
    keep_gateway: Keep, _upstream_server: Upstream, certify: Certify, tmp_path_factory: pytest.TempPathFactory
) -> Encrypted:
    folder = tmp_path_factory.mktemp("encrypted")
    authority = certify()
    authority.write(folder, "authority")
    for name in ("server", "client"):
        certify(authority).write(folder, name)
    files = "cert_file: server.pem, key_file: server.key, client_ca_file: authority.pem"
    text = f"server: {{tls: {{{files}}}, header_timeout_s: 2}}\n" + CONFIG.format(url=_upstream_server.url)
    (folder / "key").write_text("planted-key-one")
    return Encrypted(gateway=keep_gateway(text, folder=folder), folder=folder, authority=authority)


@pytest.mark.xdist_group("encrypted")
@pytest.mark.usefixtures("upstream")
def test_only_who_shows_a_certificate_of_the_named_authority_is_let_in(encrypted: Encrypted) -> None:
    assert encrypted.gateway.url.startswith("https://")
    with encrypted.client() as client:
        assert client.post("/v1/split", json=ASKED).status_code == 200
    with encrypted.client(shows=False) as client, pytest.raises(httpx.TransportError):
        client.post("/v1/split", json=ASKED)
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.TransportError):
        client.get(encrypted.gateway.url.replace("https", "http"))


@pytest.mark.xdist_group("encrypted")
def test_who_opens_a_connection_and_shakes_no_hands_is_closed(encrypted: Encrypted) -> None:
    place = urlsplit(encrypted.gateway.url)
    address = (str(place.hostname), place.port or 0)
    with socket.create_connection(address, timeout=PATIENCE_S) as silent, suppress(ConnectionResetError):
        assert silent.recv(1) == b""


def held_after_the_first(pieces: list[bytes], changed: threading.Event) -> Iterator[bytes]:
    """An answer that goes on once something has changed."""
    yield pieces[0]
    assert changed.wait(PATIENCE_S)
    yield from pieces[1:]


@pytest.mark.xdist_group("encrypted")
def test_a_new_certificate_is_shown_to_new_connections_while_a_stream_goes_on(
    encrypted: Encrypted, upstream: Upstream, chunk: Chunk, certify: Certify
) -> None:
    upstream.stream(chunk({"content": "first "}), chunk({"content": "last"}), chunk({}, "stop"))
    changed = threading.Event()
    upstream.script.pieces = held_after_the_first(upstream.script.pieces, changed)
    before = encrypted.shown()
    with encrypted.client() as client:
        with client.stream("POST", "/v1/split", json={**ASKED, "stream": True}) as answer:
            lines = answer.iter_lines()
            assert any("first" in line for line in lines)
            issued = certify(encrypted.authority, days=20)
            issued.write(encrypted.folder, "server")
            until(lambda: encrypted.shown() != before)
            changed.set()
            rest = "".join(lines)
        assert "last" in rest
        # The connection is the old one still.
        assert client.get("/healthz").status_code == 200
    name = 'splitgate_certificate_expires_timestamp_seconds{name="server.tls"}'
    until(lambda: figure(encrypted.gateway, name) == issued.ends)
    # Half of a pair changes nothing.
    now = encrypted.shown()
    (encrypted.folder / "server.key").write_text("planted")
    until(lambda: told(encrypted.gateway, "server.tls: its file cannot be used"))
    assert encrypted.shown() == now
