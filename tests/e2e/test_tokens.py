"""Tokens of an issuer on loopback in a running gateway: each that is refused stands beside one that is taken."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

Json: TypeAlias = dict[str, Any]

PATIENCE_S = 30.0
KEY = "planted-app-key"
# Between two fetches of the issuer's keys: instead of five seconds, since tests wait for them.
COOLDOWN_S = 0.5


class Gateway(Protocol):
    url: str
    log: Path


class Upstream(Protocol):
    url: str


@dataclass(kw_only=True)
class Issuer:
    """Publishes ``shown`` of its keys, unless it is ``down``; counts how often it was asked for them."""

    url: str = ""
    keys: dict[str, RSAKey | ECKey] = field(default_factory=dict[str, RSAKey | ECKey])
    shown: tuple[str, ...] = ("rsa", "p256")
    down: bool = False
    asked: int = 0

    def page(self, path: str) -> Json | None:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.asked += path == "/keys"
        shown = [{**self.keys[kid].as_dict(private=False), "kid": kid} for kid in self.shown]
        return {"keys": shown} if path == "/keys" and not self.down else None

    def token(self, kid: str = "rsa", alg: str = "RS256", header: Json | None = None, **claims: Any) -> str:
        """A token as it should be, but for what is given; None leaves a claim out."""
        head = {"alg": alg, "kid": kid, "typ": "at+jwt", **(header or {})}
        registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
        return serialize_compact(head, json.dumps(self.claims(**claims)), self.keys[kid], registry=registry)

    def claims(self, **claims: Any) -> Json:
        now = int(time.time())
        usual: Json = {"iss": self.url, "aud": ["other", "splitgate"], "sub": "joe@planted.example", "azp": "billing",
                       "exp": now + 600, "iat": now, "org": "8f0c", "groups": ["llm-users"]}  # fmt: skip
        return {name: said for name, said in {**usual, **claims}.items() if said is not None}

    def forged(self, header: Json, sign: Callable[[bytes], bytes] = lambda _: b"", **claims: Any) -> str:
        head, body = _part(json.dumps(header).encode()), _part(json.dumps(self.claims(**claims)).encode())
        unsigned = f"{head}.{body}"
        return f"{unsigned}.{_part(sign(unsigned.encode()))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def published() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.keys |= {"rsa": RSAKey.generate_key(2048), "p256": ECKey.generate_key("P-256")}
    issuer.keys |= {"next": RSAKey.generate_key(2048), "unshown": RSAKey.generate_key(2048)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = issuer.page(self.path)
            body = b"" if page is None else json.dumps(page).encode()
            self.send_response(200 if page is not None else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def issuer(published: Issuer) -> Iterator[Issuer]:
    """The issuer, up and with its first keys, also after the test."""
    yield published
    published.down, published.shown = False, ("rsa", "p256")


@dataclass(frozen=True, kw_only=True)
class Site:
    http: httpx.Client
    log: Path
    audit: Path

    def call(
        self, token: str, method: str = "GET", path: str = "/v1/models", body: Json | None = None
    ) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})

    def code(self, token: str) -> str:
        """What is made of it, natively; nothing of it is told back."""
        answer = self.call(token, "POST", "/v1/split", {"model": "m", "instructions": "x", "data": "y"})
        if answer.status_code == 200:
            return "open"
        assert "planted" not in answer.text
        assert token not in answer.text
        return str(answer.json()["code"])

    def until(self, token: str, code: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while (said := self.code(token)) != code:
            assert time.monotonic() < end, said
            time.sleep(0.1)

    def actors(self, request: str) -> list[Json]:
        records = [json.loads(line) for one in self.audit.rglob("journal") for line in one.read_bytes().splitlines()]
        return [one["actor"] for one in records if one.get("request") == request]


def configuration(folder: Path, upstream: str, issuer: str) -> str:
    target = f'{{provider: openai_compatible, base_url: "{upstream}", model: m, format: spotlight}}'
    return (
        f"state_dir: {folder / 'state'}\naudit: {{dir: {folder / 'audit'}}}\n"
        f"keys: [{{name: app, sha256: {hashlib.sha256(KEY.encode()).hexdigest()}}}]\n"
        f"models: {{m: {{targets: [{target}]}}, team-a: {{targets: [{target}]}}}}\n"
        "auth:\n  oidc:\n"
        f'    - {{name: corp, issuer: "{issuer}", audience: [splitgate], tenants: {{8f0c: acme}},\n'
        f"       cooldown_s: {COOLDOWN_S}, "
        "claims: {key: azp, tenant: org, roles: groups},\n"
        "       role_values: {llm-users: app, llm-root: admin, llm-eyes: auditor}}\n"
    )


@pytest.fixture(scope="module")
def running(
    keep_gateway: Callable[..., Gateway],
    published: Issuer,
    _upstream_server: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("signed")
    gateway = keep_gateway(configuration(folder, _upstream_server.url, published.url))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield Site(http=http, log=gateway.log, audit=folder / "audit")


@pytest.fixture
def site(running: Site, upstream: Upstream) -> Site:
    del upstream
    return running


def test_a_token_opens_and_says_who_it_is_without_naming_a_person(site: Site, issuer: Issuer) -> None:
    for token in (issuer.token(), issuer.token("p256", "ES256"), issuer.token(header={"typ": "JWT"})):
        answer = site.call(token, "POST", "/v1/split", {"model": "m", "instructions": "x"})
        assert answer.status_code == 200
        actor = {"key": "corp:billing", "tenant": "acme", "method": "oidc"}
        assert site.actors(answer.headers["x-request-id"]) == [actor, actor]
        assert "joe" not in site.log.read_text()
    assert site.code(KEY) == "open"


def refused(issuer: Issuer) -> dict[str, tuple[str, str]]:
    """Each token that differs from a good one in one thing, and what is made of it."""
    now = int(time.time())
    public = issuer.keys["rsa"].public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def mac(unsigned: bytes) -> bytes:
        return hmac.new(public, unsigned, hashlib.sha256).digest()

    good = issuer.token()
    return {
        "good": (good, "open"),
        "expired": (issuer.token(exp=now - 60), "credential_expired"),
        "almost expired": (issuer.token(exp=now - 10), "open"),
        "not yet": (issuer.token(nbf=now + 120), "invalid_token"),
        "from the future": (issuer.token(iat=now + 120), "invalid_token"),
        "without an end": (issuer.token(exp=None), "invalid_token"),
        "for somebody else": (issuer.token(aud="other"), "invalid_token"),
        "for nobody": (issuer.token(aud=None), "invalid_token"),
        "of another issuer": (issuer.token(iss="https://evil.example"), "invalid_token"),
        "of no issuer": (issuer.token(iss=None), "invalid_token"),
        "by another algorithm": (issuer.token(alg="RS512"), "invalid_token"),
        "none": (issuer.forged({"alg": "none", "typ": "JWT"}), "invalid_token"),
        "none with a key's name": (issuer.forged({"alg": "none", "kid": "rsa"}), "invalid_token"),
        "the public key as a secret": (issuer.forged({"alg": "HS256", "kid": "rsa"}, mac), "invalid_token"),
        "the same under another name": (issuer.forged({"alg": "RS256", "kid": "rsa"}, mac), "invalid_token"),
        "unsigned": (issuer.forged({"alg": "RS256", "kid": "rsa"}), "invalid_token"),
        "by a key that is not shown": (issuer.token("unshown"), "invalid_token"),
        "by one key in another's name": (issuer.token("unshown", header={"kid": "rsa"}), "invalid_token"),
        "with its own key": (issuer.forged({"alg": "RS256", "jwk": {"kty": "RSA"}}), "invalid_token"),
        "with its own address": (issuer.forged({"alg": "RS256", "jku": f"{issuer.url}/evil"}), "invalid_token"),
        "with demands": (issuer.forged({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}), "invalid_token"),
        "of another kind": (issuer.token(header={"typ": "logout+jwt"}), "invalid_token"),
        "of no tenant": (issuer.token(org="1234"), "invalid_token"),
        "of no name": (issuer.token(azp=None), "invalid_token"),
        "of no role": (issuer.token(groups=["staff"]), "forbidden"),
        "too large": (issuer.token(pad="x" * 20_000), "invalid_token"),
        "changed": (good[:-6] + ("aaaaaa" if good[-6:] != "aaaaaa" else "bbbbbb"), "invalid_token"),
        "cut short": (good.rpartition(".")[0] + ".", "invalid_token"),
        "nothing": ("..", "invalid_token"),
        "no token": ("planted-nonsense", "invalid_api_key"),
        "encrypted": (f"{good}.x.y", "invalid_api_key"),
    }


def test_only_what_the_issuer_signed_for_us_and_in_time_opens(site: Site, issuer: Issuer) -> None:
    tried = refused(issuer)
    assert {name: site.code(token) for name, (token, _) in tried.items()} == {name: c for name, (_, c) in tried.items()}
    log = site.log.read_text()
    assert not [name for name, (token, _) in tried.items() if len(token) > 3 and token in log]


def test_roles_are_those_that_the_issuers_groups_stand_for(site: Site, issuer: Issuer) -> None:
    for groups, models, sees, changes in (
        (["llm-users"], 200, 403, 403),
        (["llm-eyes"], 403, 200, 403),
        (["llm-root"], 403, 200, 200),
        (["llm-users", "llm-root"], 200, 200, 200),
        (["admin"], 403, 403, 403),
    ):
        token = issuer.token(groups=groups)
        assert site.call(token).status_code == models
        assert site.call(token, "GET", "/admin/policies").status_code == sees
        assert site.call(token, "POST", "/admin/policies/reload", {}).status_code == changes


def test_a_name_of_a_key_cannot_be_taken_by_a_token(site: Site, issuer: Issuer) -> None:
    answer = site.call(issuer.token(azp="app"), "POST", "/v1/split", {"model": "m", "instructions": "x"})
    assert {actor["key"] for actor in site.actors(answer.headers["x-request-id"])} == {"corp:app"}


def test_made_up_keys_make_no_storm_and_hold_nobody_up(site: Site, issuer: Issuer) -> None:
    before, began = issuer.asked, time.monotonic()
    for number in range(100):
        token = issuer.forged({"alg": "RS256", "kid": f"made-up-{number}"})
        assert site.code(token) == "invalid_token"
    assert issuer.asked - before <= 1 + (time.monotonic() - began) / COOLDOWN_S
    assert site.code(issuer.token(sub="somebody else")) == "open"


def test_a_new_key_of_the_issuers_is_found_and_one_that_is_gone_opens_no_more(site: Site, issuer: Issuer) -> None:
    old = issuer.token(sub="rotated")
    assert site.code(old) == "open"
    issuer.shown = ("next",)
    site.until(issuer.token("next"), "open")
    # Verified before and remembered, and yet.
    assert site.code(old) == "invalid_token"
    issuer.shown = ("rsa", "p256")
    site.until(old, "open")


def test_while_the_issuer_is_down_known_keys_go_on_and_others_are_refused_until_it_is_back(
    site: Site, issuer: Issuer
) -> None:
    issuer.down = True
    fresh = issuer.token("next")
    site.until(fresh, "sign_in_unavailable")
    answer = site.call(fresh)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert site.code(issuer.token(sub="new and known")) == "open"
    assert site.code(KEY) == "open"
    issuer.down, issuer.shown = False, ("rsa", "p256", "next")
    site.until(fresh, "open")
    log = site.log.read_text()
    assert log.count("the signing keys of corp cannot be fetched") == 1
    assert "the answer has status 500" in log
    assert "the signing keys of corp can be fetched again" in log


def test_a_gateway_that_starts_while_the_issuer_is_down_refuses_tokens_and_mends_by_itself(
    run_gateway: Callable[..., Gateway], upstream: Upstream, issuer: Issuer, tmp_path: Path
) -> None:
    issuer.down = True
    gateway = run_gateway(configuration(tmp_path, upstream.url, issuer.url))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        site = Site(http=http, log=gateway.log, audit=tmp_path / "audit")
        assert site.code(issuer.token()) == "sign_in_unavailable"
        assert site.code(KEY) == "open"
        issuer.down = False
        site.until(issuer.token(), "open")
