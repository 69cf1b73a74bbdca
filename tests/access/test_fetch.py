"""Over a real loopback socket."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.transport.httpx_client import checked_transport
from gateway.access.fetch import MAX_BYTES, Fetching, NotFetched
from gateway.configuration.values import OidcSettings
from gateway.domain.target import Tls

Json = dict[str, Any]
OidcOf = Callable[..., OidcSettings]
WELL_KNOWN = "/.well-known/openid-configuration"


class Issuer(Protocol):
    def jwks(self, *kids: str, **more: Any) -> bytes: ...


@dataclass(kw_only=True)
class Site:
    """Answers each path by what ``pages`` has for it: status, body, headers."""

    url: str
    pages: dict[str, tuple[int, bytes, dict[str, str]]] = field(
        default_factory=dict[str, tuple[int, bytes, dict[str, str]]]
    )
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    slow_s: float = 0.0

    def put(self, path: str, body: bytes | Json, status: int = 200, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.pages[path] = (status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, body, headers = made.pages.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            time.sleep(made.slow_s)
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Site(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


async def here(_host: str, _port: int) -> list[str]:
    """Whatever the name: this machine."""
    return ["127.0.0.1"]


@asynccontextmanager
async def fetching(settings: OidcSettings) -> AsyncGenerator[Fetching]:
    made = Fetching(settings, partial(checked_transport, settings.addresses, lookup=here))
    try:
        yield made
    finally:
        await made.close()


async def why(settings: OidcSettings) -> str:
    async with fetching(settings) as one:
        with pytest.raises(NotFetched) as caught:
            await one.keys()
    assert "planted" not in str(caught.value)
    return str(caught.value)


async def test_keys_are_fetched_from_where_the_configuration_says(site: Site, issuer: Issuer, oidc_of: OidcOf) -> None:
    site.put("/keys?v=1", issuer.jwks("rsa"))
    async with fetching(oidc_of(jwks_url=f"{site.url}/keys?v=1")) as one:
        assert len(await one.keys()) == 1
    ((path, headers),) = site.asked
    assert path == "/keys?v=1"
    assert (headers["accept-encoding"], "authorization" in headers) == ("identity", False)


@pytest.mark.parametrize("end", ["", "/", "/tenant", "/tenant/"])
async def test_or_from_where_the_issuers_description_says(
    site: Site, issuer: Issuer, oidc_of: OidcOf, end: str
) -> None:
    site.put(f"{end.rstrip('/')}{WELL_KNOWN}", {"issuer": site.url + end, "jwks_uri": f"{site.url}/keys"})
    site.put("/keys", issuer.jwks("rsa", "p256"))
    async with fetching(oidc_of(issuer=site.url + end)) as one:
        assert len(await one.keys()) == 2


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"issuer": "https://planted.example", "jwks_uri": "{url}/keys"}, "another issuer"),
        ({"jwks_uri": "{url}/keys"}, "another issuer"),
        ({"issuer": "{url}/", "jwks_uri": "{url}/keys"}, "another issuer"),
        ({"issuer": "{url}"}, "no address"),
        ({"issuer": "{url}", "jwks_uri": 7}, "no address"),
        ({"issuer": "{url}", "jwks_uri": "http://planted.example/keys"}, "no address"),
        ({"issuer": "{url}", "jwks_uri": "file:///etc/planted"}, "no address"),
        ({"issuer": "{url}", "jwks_uri": "https://joe:planted@a.example/keys"}, "no address"),
        ("planted", "no JSON object"),
    ],
)
async def test_a_description_that_is_not_the_issuers_own_or_leads_astray_is_not_followed(
    site: Site, issuer: Issuer, oidc_of: OidcOf, description: Any, said: str
) -> None:
    site.put(WELL_KNOWN, json.dumps(description).replace("{url}", site.url).encode())
    site.put("/keys", issuer.jwks("rsa"))
    assert said in await why(oidc_of(issuer=site.url))
    assert [path for path, _ in site.asked] == [WELL_KNOWN]


async def test_a_redirect_is_not_followed(site: Site, issuer: Issuer, oidc_of: OidcOf) -> None:
    site.put("/keys", issuer.jwks("rsa"))
    site.put("/moved", b"", status=302, location=f"{site.url}/keys")
    assert await why(oidc_of(jwks_url=f"{site.url}/moved")) == "the answer has status 302"
    assert [path for path, _ in site.asked] == ["/moved"]


async def test_what_cannot_be_used_is_told_by_its_kind(site: Site, issuer: Issuer, oidc_of: OidcOf) -> None:
    answers: list[tuple[bytes, str]] = [
        (b"planted", "no set of keys"),
        (b'{"keys": "planted"}', "no set of keys"),
        (b'{"keys": []}', "none of the keys"),
        (issuer.jwks("rsa", use="enc"), "none of the keys"),
        (b" " * (MAX_BYTES + 1), f"over {MAX_BYTES} bytes"),
    ]
    for body, said in answers:
        site.put("/keys", body)
        assert said in await why(oidc_of(jwks_url=f"{site.url}/keys"))
    site.put("/keys", issuer.jwks("rsa"), content_encoding="gzip")
    assert "compressed" in await why(oidc_of(jwks_url=f"{site.url}/keys"))
    assert await why(oidc_of(jwks_url=f"{site.url}/none")) == "the answer has status 404"


async def test_an_issuer_that_is_slow_or_not_there_is_given_up(site: Site, issuer: Issuer, oidc_of: OidcOf) -> None:
    site.put("/keys", issuer.jwks("rsa"))
    site.slow_s = 1.0
    said = await why(oidc_of(jwks_url=f"{site.url}/keys", timeout_s=0.1))
    assert said in ("no answer came in time", "the call failed (ReadTimeout)")
    assert "ConnectError" in await why(oidc_of(jwks_url="http://127.0.0.1:9/keys"))


async def test_a_name_that_leads_to_a_private_network_is_not_followed_unless_its_entry_allows_it(
    site: Site, oidc_of: OidcOf
) -> None:
    # Only this machine's own names may be fetched from without encryption.
    port = site.url.rpartition(":")[2]
    url = f"https://keys.example:{port}/keys"
    assert "leads to a private network" in await why(oidc_of(jwks_url=url))
    # With it the connection is made, and fails over there, where nobody speaks TLS.
    for more in ({"allow_private": True}, {"allow_addresses": ["127.0.0.1"]}):
        assert "ConnectError" in await why(oidc_of(jwks_url=url, **more))
    assert site.asked == []


async def test_an_address_that_a_description_tells_of_gets_no_more_than_the_issuers_own(
    site: Site, oidc_of: OidcOf
) -> None:
    site.put(WELL_KNOWN, {"issuer": site.url, "jwks_uri": "https://10.2.3.4/keys"})
    assert "leads to a private network" in await why(oidc_of(issuer=site.url))


async def test_the_environment_has_no_say_in_it(
    site: Site, issuer: Issuer, oidc_of: OidcOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.put("/keys", issuer.jwks("rsa"))
    async with fetching(oidc_of(jwks_url=f"{site.url}/keys")) as one:
        assert len(await one.keys()) == 1


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer of these tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret


class Rotating(Tls):
    """Becomes another one when the test says so."""

    def become(self, context: ssl.SSLContext) -> None:
        self._context = context


async def test_over_https_only_who_is_vouched_for_is_believed(
    issuer: Issuer, oidc_of: OidcOf, certified: tuple[Path, Path]
) -> None:
    certificate, secret = certified
    body = issuer.jwks("rsa")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        assert "ConnectError" in await why(oidc_of(jwks_url=url))
        vouched = Rotating(ssl.create_default_context(cafile=certificate))
        async with fetching(replace(oidc_of(jwks_url=url), tls=vouched)) as one:
            assert len(await one.keys()) == 1
            # The file names somebody else by now, and then the first one again.
            vouched.become(ssl.create_default_context())
            with pytest.raises(NotFetched, match="ConnectError"):
                await one.keys()
            vouched.become(ssl.create_default_context(cafile=certificate))
            assert len(await one.keys()) == 1
