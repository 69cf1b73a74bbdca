"""Setting policies aside for an emergency: who may, for how long, and what goes on all the same?"""

import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
REASON = "The mail filter blocks all orders."

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: guarded}
spec:
  mode: enforce
  rules:
    - {id: no-keys, stage: data, severity: critical, when: det.secrets.found, action: block, message: no}
    - {id: no-keys-out, stage: output, severity: critical, when: det.secrets.found, action: redact, message: no}
    - {id: watched, stage: data, severity: critical, mode: shadow, when: det.secrets.found, action: block, message: no}
"""


class Process(Protocol):
    def send_signal(self, sig: int) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def process(self) -> Process: ...
    @property
    def log(self) -> Path: ...


class Upstream(Protocol):
    url: str
    raw: list[bytes]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway with the keys ``app`` and ``root``, of which ``root`` is an admin's."""

    http: httpx.Client
    log: Path
    process: Process

    def call(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={"authorization": f"Bearer {who}"})

    def ask(self, *, stream: bool = False, **more: Any) -> httpx.Response:
        body = {"model": "m", "instructions": "Sum up.", "data": f"key {SECRET}", "stream": stream, **more}
        return self.call("app", "POST", "/v1/split", body)

    def grant(self, **wish: Any) -> httpx.Response:
        return self.call("root", "POST", "/admin/break-glass", {"reason": REASON, "minutes": 60, **wish})

    def end(self) -> httpx.Response:
        return self.call("root", "DELETE", "/admin/break-glass")

    def told(self) -> Json:
        return self.call("root", "GET", "/admin/policies").json()["break_glass"]

    def audit(self) -> list[Json]:
        """The events of break-glass grants in the audit log."""
        lines = [line.split("splitgate.audit: ")[1] for line in self.log.read_text().splitlines() if "audit: {" in line]
        return [event for line in lines if (event := json.loads(line))["event"].startswith("break_glass.")]


def configuration(folder: Path, url: str) -> str:
    (folder / "guarded.yaml").write_text(POLICY)
    keys = "".join(
        f"  - {{name: {name}, roles: [{roles}], sha256: {hashlib.sha256(name.encode()).hexdigest()}}}\n"
        for name, roles in (("app", "app, approver"), ("root", "app, approver, admin"))
    )
    target = f'{{provider: openai_compatible, base_url: "{url}", model: m, format: spotlight}}'
    return (
        f"state_dir: {folder / 'state'}\npolicies: {{packs: [], paths: [guarded.yaml], watch: false}}\nkeys:\n{keys}"
        f"models: {{m: {{targets: [{target}]}}}}\n"
    ).replace("[guarded.yaml]", f"[{folder / 'guarded.yaml'}]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the policy is, and what the gateway keeps."""
    return tmp_path_factory.mktemp("glass")


@pytest.fixture(scope="module")
def running(keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, folder: Path) -> Iterator[Site]:
    gateway = keep_gateway(configuration(folder, _upstream_server.url))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield Site(http=http, log=gateway.log, process=gateway.process)


@pytest.fixture
def site(running: Site, upstream: Upstream) -> Iterator[Site]:
    """The gateway, with no grant in force before and after the test."""
    assert running.end().status_code == 200
    upstream.raw.clear()
    yield running
    with suppress(httpx.TransportError):  # by the last test it was ended
        running.end()


def test_a_grant_sets_policies_aside_until_it_is_ended(site: Site, upstream: Upstream) -> None:
    assert site.ask().status_code == 400
    granted = site.grant()
    assert (granted.status_code, granted.json()["in_force"]) == (200, True)
    answer = site.ask()
    assert answer.status_code == 200
    (sent,) = upstream.raw
    assert SECRET.encode() in sent
    split = answer.json()["split"]
    assert split["decision"] == "allow"
    assert {found["rule"]: found["weight"] for found in split["findings"]} == {
        "no-keys": "bypassed",
        "watched": "shadow",
    }
    assert "no-keys~bypassed=1" in answer.headers["x-splitgate-findings"]
    assert site.end().json()["in_force"] is False
    assert site.ask().status_code == 400
    assert len(upstream.raw) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_judged_and_told_of_under_a_grant(
    site: Site, upstream: Upstream, chunk: Callable[..., Json], stream: bool
) -> None:
    site.grant()
    if stream:
        script: Any = upstream
        script.stream(chunk({"role": "assistant", "content": f"It is {SECRET}"}), chunk({}, "stop"))
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": f"It is {SECRET}"}, "finish_reason": "stop"}
        upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    answer = site.ask(data="fine", stream=stream)
    assert SECRET in answer.text
    assert '"rule":"no-keys-out"' in answer.text
    assert '"weight":"bypassed"' in answer.text
    site.end()
    assert SECRET not in site.ask(data="fine", stream=stream).text


def test_isolation_is_no_policy_and_holds_under_a_grant(site: Site, upstream: Upstream) -> None:
    site.grant()
    refused = site.ask(min_isolation="channel")
    assert (refused.status_code, refused.json()["code"]) == (400, "isolation_unreachable")
    assert upstream.raw == []
    assert site.ask(min_isolation="wrapped").status_code == 200


def test_only_admins_may(site: Site) -> None:
    wish = {"reason": REASON, "minutes": 5}
    for method, path, body in (
        ("POST", "/admin/break-glass", wish),
        ("DELETE", "/admin/break-glass", None),
        ("GET", "/admin/break-glass", None),
        ("GET", "/admin/policies", None),
        ("POST", "/admin/policies/reload", None),
    ):
        assert site.call("app", method, path, body).status_code == 403
        assert site.call("nobody", method, path, body).status_code == 401
    assert site.ask().status_code == 400
    assert site.call("root", "POST", "/admin/break-glass", wish).status_code == 200
    assert site.ask().status_code == 200
    assert site.call("app", "DELETE", "/admin/break-glass").status_code == 403
    assert site.ask().status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"minutes": 61},
        {"minutes": 0},
        {"minutes": -5},
        {"minutes": True},
        {"minutes": 1.5},
        {"minutes": "60"},
        {"minutes": None},
        {"reason": None},
        {"reason": ""},
        {"reason": "too short"},
        {"reason": "         x         "},
        {"reason": "x" * 501},
        {"forever": True},
    ],
    ids=str,
)
def test_a_grant_takes_a_reason_and_at_most_an_hour(site: Site, wish: Json) -> None:
    assert site.grant(**wish).status_code == 400
    assert site.told()["in_force"] is False
    assert site.ask().status_code == 400


@pytest.mark.parametrize("minutes", [1, 60])
def test_a_grant_ends_by_itself_within_the_hour(site: Site, minutes: int) -> None:
    grant = site.grant(minutes=minutes).json()["grant"]
    given, expires = (datetime.fromisoformat(grant[name]) for name in ("granted_at", "expires"))
    assert (expires - given).total_seconds() == pytest.approx(minutes * 60, abs=0.01)
    assert (grant["reason"], grant["granted_by"]) == (REASON, "root")


def test_a_grant_is_counted_and_every_step_is_audited(site: Site) -> None:
    before, heard = site.told(), len(site.audit())
    id_ = site.grant().json()["grant"]["id"]
    for _ in range(3):
        site.ask()
    site.end()
    site.ask()
    after = site.told()
    assert {name: after[name] - before[name] for name in ("grants", "ends", "requests", "refused")} == {
        "grants": 1,
        "ends": 1,
        "requests": 3,
        "refused": 0,
    }
    said = site.audit()[heard:]
    assert {event["grant"]["id"] for event in said} == {id_}
    assert {event["grant"]["reason"] for event in said} == {REASON}
    told = {event["event"]: event["by"] for event in said}
    assert told["break_glass.granted"] == told["break_glass.ended"] == "root"
    assert {"break_glass.in_force", "break_glass.over"} <= told.keys()


def test_without_keys_nobody_is_admin_enough(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        answer = http.post("/admin/break-glass", json={"reason": REASON, "minutes": 5})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert http.get("/admin/break-glass").json()["in_force"] is False


def test_a_restart_ends_every_grant(
    site: Site, run_gateway: Callable[..., Gateway], upstream: Upstream, folder: Path
) -> None:
    """The last one here, since it ends the gateway that the others share."""
    assert site.grant().status_code == 200
    assert site.ask().status_code == 200
    site.process.send_signal(signal.SIGKILL)
    site.process.wait(30)
    second = run_gateway(configuration(folder, upstream.url))
    with httpx.Client(base_url=second.url, timeout=30, trust_env=False) as http:
        after = Site(http=http, log=second.log, process=second.process)
        assert after.ask().status_code == 400
        assert (after.told()["in_force"], after.told()["refused"]) == (False, 1)
        # The grant that is left over is told of, and never in force.
        assert [event["event"] for event in after.audit()] == ["break_glass.refused"]
