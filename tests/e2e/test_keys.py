"""Keys of a key file in a running gateway of two workers: made, rotated, ended, taken back, and what they may do."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

Json: TypeAlias = dict[str, Any]

PATIENCE_S = 30.0
# So many calls, eight at a time, never reach one of two workers alone.
CALLS = 16


class Gateway(Protocol):
    url: str
    log: Path


class Upstream(Protocol):
    url: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """The gateway, and the folder with its configuration and its key file. Each call takes a connection of its own."""

    http: httpx.Client
    folder: Path
    log: Path

    @property
    def file(self) -> Path:
        return self.folder / "keys.jsonl"

    def splitgate(self, *arguments: str) -> str:
        """Run ``splitgate keys``; its output is the key that it made."""
        done = CliRunner().invoke(app, ["keys", *arguments, "--config", str(self.folder / "splitgate.yaml")])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def call(self, key: str, method: str = "GET", path: str = "/v1/models", body: Json | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}", "connection": "close"}
        return self.http.request(method, path, json=body, headers=headers)

    def ask(self, key: str, model: str = "m", path: str = "/v1/split") -> httpx.Response:
        return self.call(key, "POST", path, {"model": model, **ASKED[path]})

    def answers(self, key: str) -> set[str]:
        """What both workers make of the key: its models, or the code of the refusal."""
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(self.call, [key] * CALLS))
        return {"open" if one.status_code == 200 else one.json()["error"]["code"] for one in got}

    def until(self, key: str, code: str) -> None:
        """Wait until both workers say so."""
        end = time.monotonic() + PATIENCE_S
        while self.answers(key) != {code}:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def new(self, name: str, *wish: str) -> str:
        key = self.splitgate("new", "--write", "--name", name, *wish)
        self.until(key, "open")
        return key


MESSAGES = [{"role": "user", "content": "Sum up."}]
ASKED: dict[str, Json] = {
    "/v1/split": {"instructions": "Sum up.", "data": "Hello."},
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/responses": {"input": "Sum up."},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
}


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def site(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("keyed")
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: spotlight}}'
    fixed = {"bound": "models: [team-*]", "native": "routes: [split]"} | {role: f"roles: [{role}]" for role in DOES}
    keys = "".join(f"  - {{name: {name}, {what}, sha256: {digest(name)}}}\n" for name, what in fixed.items())
    config = (
        f"state_dir: {folder / 'state'}\nkeys_file: keys.jsonl\nkeys:\n{keys}"
        f"models: {{m: {{targets: [{target}]}}, team-a: {{targets: [{target}]}}}}\n"
        f"audit: {{dir: {folder / 'audit'}}}\n"
    )
    gateway = keep_gateway(config, workers=2, folder=folder)
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield Site(http=http, folder=folder, log=gateway.log)


@pytest.fixture
def clean(site: Site, upstream: Upstream) -> Site:
    """The gateway with a key file that is whole, and an upstream that answers."""
    del upstream
    return site


def test_a_key_opens_in_every_worker_once_it_is_written(clean: Site) -> None:
    key = clean.new("app-fresh")
    assert clean.ask(key).status_code == 200
    assert clean.answers("sg-00000000-planted") == {"invalid_api_key"}
    assert key[12:] not in clean.log.read_text() + clean.file.read_text()


def test_a_key_that_is_taken_back_opens_nowhere_and_the_others_go_on(clean: Site) -> None:
    other = clean.splitgate("new", "--write", "--name", "app-stays")
    before = clean.splitgate("new", "--write", "--name", "app-back")
    key = clean.splitgate("rotate", "app-back", "--overlap", "1h")
    clean.until(key, "open")
    clean.splitgate("revoke", key[:11])
    clean.until(key, "credential_revoked")
    assert clean.answers(other) == clean.answers(before) == {"open"}
    refused = clean.ask(key)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "was revoked" in refused.json()["detail"]


def test_while_a_key_takes_anothers_place_both_open_and_afterwards_the_new_one_alone(clean: Site) -> None:
    first = clean.new("app-turn")
    second = clean.splitgate("rotate", "app-turn", "--overlap", "1h")
    clean.until(second, "open")
    assert clean.answers(first) == {"open"}
    third = clean.splitgate("rotate", "app-turn", "--overlap", "1s")
    clean.until(third, "open")
    clean.until(first, "credential_expired")
    assert clean.answers(second) == {"credential_expired"}
    assert clean.answers(third) == {"open"}
    assert "expired on 20" in clean.ask(first).json()["detail"]


def test_models_that_a_key_may_not_ask_for_are_not_there(clean: Site) -> None:
    key = "bound"
    assert [one["id"] for one in clean.call(key).json()["data"]] == ["team-a"]
    for path in ASKED:
        assert clean.ask(key, "team-a", path).status_code == 200
        foreign, unknown = clean.ask(key, "m", path), clean.ask(key, "nothing", path)
        assert foreign.status_code == 404
        told = [one.content.replace(one.headers["x-request-id"].encode(), b"") for one in (foreign, unknown)]
        assert told[0] == told[1]
        assert "there are for you: team-a" in foreign.text


def test_routes_that_a_key_may_not_use_are_closed(clean: Site) -> None:
    key = "native"
    assert clean.ask(key).status_code == 200
    refused = clean.ask(key, path="/v1/chat/completions")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "it may use: split" in refused.json()["error"]["message"]


ASKS = {"model": "m", "instructions": "x"}
GLASS = {"reason": "The filter blocks all orders.", "minutes": 1}
DECIDES = {"decision": "approve", "reason": "fine"}
# For each role what it may do: by method and path, with the status of whoever may.
DOES: dict[str, list[tuple[str, str, Json | None, int]]] = {
    "app": [("POST", "/v1/split", ASKS, 200), ("GET", "/v1/models", None, 200)],
    "approver": [("POST", "/v1/approvals/none", DECIDES, 404), ("GET", "/v1/approvals/none?view=terms", None, 404)],
    "auditor": [],
    "admin": [
        ("POST", "/admin/policies/reload", {}, 200),
        ("POST", "/admin/break-glass", GLASS, 200),
        ("DELETE", "/admin/break-glass", None, 200),
    ],
}
SEES = [("GET", "/admin/policies", None, 200), ("GET", "/admin/break-glass", None, 200)]


@pytest.mark.parametrize("role", DOES)
def test_a_role_may_do_what_is_its_own_and_nothing_else(clean: Site, role: str) -> None:
    for owner, deeds in DOES.items():
        for method, path, body, status in deeds:
            answer = clean.call(role, method, path, body)
            assert answer.status_code == (status if owner == role else 403), (owner, method, path, answer.text)
    for method, path, body, status in SEES:
        assert clean.call(role, method, path, body).status_code == (status if role in ("auditor", "admin") else 403)


def test_a_broken_file_takes_nothing_back_and_says_so_once_in_each_worker(clean: Site) -> None:
    key = clean.new("app-kept")
    whole = clean.file.read_bytes()
    before = clean.log.read_text().count("the key file cannot be used")
    draft = clean.file.with_name("draft")
    draft.write_bytes(whole.replace(b'"app-kept"', b'"app-kept", "revoked": "planted"'))
    draft.rename(clean.file)
    end = time.monotonic() + PATIENCE_S
    while clean.log.read_text().count("the key file cannot be used") < before + 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert clean.answers(key) == {"open"}
    with pytest.raises(AssertionError, match="`revoked` must be a moment"):
        clean.splitgate("revoke", "app-kept")
    clean.file.write_bytes(whole)
    clean.splitgate("revoke", "app-kept")
    clean.until(key, "credential_revoked")
    assert clean.log.read_text().count("the key file cannot be used") == before + 2


def test_the_audit_says_which_key_it_was_and_which_keys_were_in_force(clean: Site) -> None:
    key = clean.new("app-told")
    request = clean.ask(key).headers["x-request-id"]
    records: list[Json] = []
    for journal in sorted((clean.folder / "audit").rglob("journal")):
        records += [json.loads(line) for line in journal.read_bytes().splitlines()]
    actors = [one["actor"] for one in records if one.get("request") == request]
    assert actors == [{"key": "app-told", "tenant": "default", "method": "api_key", "secret": key[:11]}] * 2
    told = [one for one in records if one.get("what") == "keys"]
    assert told[-1]["count"] > 0
    assert f"sha256:{hashlib.sha256(clean.file.read_bytes()).hexdigest()}" in {one["digest"] for one in told}
    assert not [one for one in records if key[12:] in json.dumps(one)]
