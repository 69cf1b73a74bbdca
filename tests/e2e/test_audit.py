"""What does the journal hold of each way in which a request can end, and what never?"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from gateway.audit.contents import Text, content_of
from gateway.audit.keys import master_key
from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.subjects import SubjectKeys
from gateway.audit.verdict import Report
from gateway.audit.verify import verify

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

PATIENCE_S = 30.0
CHAT, SPLIT = "/v1/chat/completions", "/v1/split"
ROUTES = pytest.mark.parametrize("route", [CHAT, SPLIT])
SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
PROMPT, ANSWER, SUBJECT = "a planted prompt", "a planted answer", "jane.planted@example.com"
KEYS = {"planted-app-key": "app", "planted-boss-key": "boss", "planted-root-key": "root"}
ROLES = {"app": "app", "boss": "approver", "root": "admin"}

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: guarded}
spec:
  mode: enforce
  tools: {send_email: {effect: egress, sink_args: [to]}}
  rules:
    - {id: no-virus, stage: data, severity: critical, when: segment.origin == 'virus', action: block, message: no}
    - {id: hide-in, stage: data, severity: critical, when: det.secrets.found, action: redact, message: no}
    - {id: no-keys, stage: output, severity: critical, when: det.secrets.found, action: block, message: no}
    - {id: recipient, stage: tool_call, severity: critical, when: tool.effect == 'egress' && tool.derived,
       action: require_approval, message: no}
"""


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def process(self) -> "subprocess.Popen[str]": ...


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def write(self, raw: bytes) -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def end(self) -> None: ...
    def caller_left(self) -> bool: ...


class Staged(Protocol):
    url: str
    automatic: Callable[[Json], Any] | None
    bodies: list[Json]

    def next(self) -> Exchange: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Upstream(Protocol):
    url: str

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def until(self, mark: bytes) -> bytes: ...
    def rest(self) -> bytes: ...
    def close(self) -> None: ...


Dial: TypeAlias = Callable[[str], Wire]


def records(folder: Path) -> list[Json]:
    """All records in the order of their epochs; what is torn is left out."""
    found: list[Json] = []
    for journal in sorted(folder.glob("epochs/*/journal")):
        found += [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
    return found


def registry(folder: Path) -> list[Json]:
    paths = sorted(folder.glob("registry/[0-9]*"))
    return [json.loads(path.read_bytes().partition(b"\n")[0]) for path in paths]


def verified(folder: Path) -> Report:
    keys = [VerifierKey.parse(line) for line in (folder / "public-key").read_text().splitlines()]
    return verify(Places(folder), keys)


def until(true: Callable[[], Any]) -> Any:
    """Wait until it is true, and give it."""
    end = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def completion(text: str, **more: Any) -> Json:
    message = {"role": "assistant", "content": text, **more}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if more else "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def asking(route: str, *, model: str = "one", stream: bool = False, data: str = PROMPT, origin: str = "mail") -> Json:
    more: Json = {"data": [{"id": "d", "origin": origin, "text": data}], "stream": stream}
    if route == CHAT:
        return {"model": model, "messages": [{"role": "user", "content": "Sum up."}], **more}
    return {"model": model, "instructions": "Sum up.", **more}


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway whose journals lie in ``folder``; calls are made with the key ``app`` unless another is named."""

    url: str
    folder: Path
    policy: Path
    http: httpx.Client

    def call(self, path: str, body: Json | None = None, key: str = "planted-app-key", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        method = "GET" if body is None else "POST"
        return self.http.request(method, path, json=body, headers=headers, **more)

    def ask(self, route: str, **how: Any) -> tuple[httpx.Response, list[Json]]:
        """The answer, and the records of the request: they are there once its last byte has come."""
        answer = self.call(route, asking(route, **how))
        return answer, self.of(answer.headers["x-request-id"])

    def of(self, request: str) -> list[Json]:
        return [record for record in records(self.folder) if record.get("request") == request]

    def what(self, *names: str) -> list[Json]:
        return [record for record in records(self.folder) if record.get("what") in names]


def configured(folder: Path, targets: dict[str, list[str]], audit: str = "") -> tuple[str, Path]:
    """A configuration with three keys, and the policy's file."""
    policy = folder / "guarded.yaml"
    policy.write_text(POLICY)
    keys = "".join(
        f"  - {{name: {name}, tenant: shop, roles: [{ROLES[name]}], "
        f"sha256: {hashlib.sha256(key.encode()).hexdigest()}}}\n"
        for key, name in KEYS.items()
    )
    models = "".join(
        f"  {name}: {{retries: 0, targets: [{', '.join(_target(name, n, url) for n, url in enumerate(urls))}]}}\n"
        for name, urls in targets.items()
    )
    text = (
        f"state_dir: {folder / 'state'}\nkeys:\n{keys}models:\n{models}"
        f"policies: {{packs: [], paths: [{policy}], watch: false}}\n"
        f"audit: {{dir: {folder / 'audit'}, heartbeat_s: 0.5{audit}}}\n"
    )
    return text, policy


def _target(model: str, number: int, url: str) -> str:
    return (
        f'{{provider: openai_compatible, base_url: "{url}", model: upstream-{model}, id: {model}-{number}, '
        "format: tool-envelope, breaker: {failures: 0, longest_rest_s: 0}}"
    )


@pytest.fixture(scope="module")
def site(
    keep_gateway: Callable[..., Gateway],
    staged_pair: tuple[Staged, Staged],
    _upstream_server: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("audited")
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound and never listening
        nowhere = f"http://127.0.0.1:{dead.getsockname()[1]}/v1"
        one, two = staged_pair[0].url, staged_pair[1].url
        targets = {"one": [one], "two": [one, two], "dead": [nowhere], "scripted": [_upstream_server.url]}
        config, policy = configured(folder, targets)
        gateway = keep_gateway(config)
        with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
            yield Site(url=gateway.url, folder=folder / "audit", policy=policy, http=http)


def phases(found: list[Json]) -> list[str]:
    return [record["phase"] for record in found]


@ROUTES
def test_an_answer_leaves_an_intent_before_the_call_and_an_outcome(site: Site, first: Staged, route: str) -> None:
    first.always(completion(ANSWER))
    answers, seen = first.automatic, list[list[Json]]()
    assert answers is not None

    def look(body: Json) -> Any:
        seen.append(records(site.folder))
        return answers(body)

    first.automatic = look
    answer, found = site.ask(route)
    assert answer.status_code == 200
    assert phases(found) == ["intent", "outcome"]
    intent, outcome = found
    # When the upstream was called the intent was there, and nothing behind it.
    # Heartbeats come when they are due.
    assert [[one for one in then if one["phase"] != "heartbeat"][-1] for then in seen] == [intent]
    assert (intent["target"], intent["upstream"], intent["attempt"]) == ("one-0", "upstream-one", 1)
    assert (intent["actor"], intent["model"]) == ({"key": "app", "tenant": "shop", "method": "api_key"}, "one")
    assert intent["decision_id"] == f"{intent['request']}/in"
    assert {(s["channel"], s["length"]) for s in intent["segments"]} == {("instruction", 7), ("data", len(PROMPT))}
    assert (intent["decision"], intent["tainted"]) == ("allow", 1)
    assert [policy["name"] for policy in intent["policies"]] == ["guarded"]
    assert (outcome["intent"], outcome["status"]) == (intent["event"], 200)
    assert outcome["decision_id"] == f"{intent['request']}/out"
    assert [(part["channel"], part["length"]) for part in outcome["output"]] == [("text", len(ANSWER))]
    assert (outcome["usage"], outcome["finish"]) == ({"input": 5, "output": 7}, ["stop"])
    assert "error" not in outcome
    assert 0 < outcome["times"]["journal"] < outcome["times"]["total"]
    assert "unaudited" not in answer.headers.get("x-splitgate-notes", "")


@ROUTES
def test_a_streams_outcome_is_there_before_its_last_byte(
    site: Site, first: Staged, dial: Dial, chunk: Chunk, route: str
) -> None:
    wire = dial(site.url)
    body = json.dumps(asking(route, stream=True)).encode()
    wire.request(route, body, authorization="Bearer planted-app-key", connection="close")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant", "content": ANSWER}))
    head = wire.until(b"\r\n\r\n").decode()
    request = head.partition("x-request-id: ")[2].partition("\r\n")[0]
    assert phases(site.of(request)) == ["intent"]
    exchange.say(chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    wire.until(b"\r\n0\r\n\r\n")
    intent, outcome = site.of(request)
    assert (outcome["phase"], outcome["intent"], outcome["status"]) == ("outcome", intent["event"], 200)
    assert outcome["stream"]["scanned"] >= 2
    assert outcome["stream"]["truncated"] == 0
    assert [part["length"] for part in outcome["output"]] == [len(ANSWER)]


def test_names_that_a_model_or_an_upstream_made_up_stand_in_no_record(site: Site, first: Staged) -> None:
    ended = completion(ANSWER)
    ended["choices"][0]["finish_reason"] = "planted-word"
    first.always(ended)
    body = asking(CHAT)
    called = {"id": "planted-id", "type": "function", "function": {"name": "planted_tool", "arguments": "{}"}}
    body["messages"] += [
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "planted-id", "content": "found"},
    ]
    answer = site.call(CHAT, body)
    assert answer.json()["choices"][0]["finish_reason"] == "planted-word"
    intent, outcome = site.of(answer.headers["x-request-id"])
    assert [(one["id"], one["origin"]) for one in intent["segments"] if "tool" in one["origin"]] == [
        ("call-1", "tool:(unoffered)"),
        ("s2", "tool:(unoffered)"),
    ]
    assert outcome["finish"] == ["(other)"]
    assert "planted" not in json.dumps([intent, outcome])


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("stream", [False, True])
def test_what_policy_blocks_of_a_request_leaves_a_decision_and_no_call(
    site: Site, first: Staged, route: str, *, stream: bool
) -> None:
    answer, found = site.ask(route, origin="virus", stream=stream)
    assert answer.status_code == 400
    assert phases(found) == ["decision", "outcome"]
    decision, outcome = found
    assert (decision["decision"], outcome["status"], outcome["error"]) == ("block", 400, "splitgate_blocked")
    assert [(hit["rule"], hit["where"]) for hit in decision["findings"]] == [("no-virus", "d")]
    assert "intent" not in outcome
    assert not first.bodies


@ROUTES
def test_what_policy_blocks_of_an_answer_stands_in_the_outcome(site: Site, first: Staged, route: str) -> None:
    first.always(completion(f"the key is {SECRET}"))
    answer, found = site.ask(route)
    assert SECRET not in answer.text
    assert phases(found) == ["intent", "outcome"]
    assert (found[0]["decision"], found[1]["decision"]) == ("allow", "block")
    assert [hit["rule"] for hit in found[1]["findings"]] == ["no-keys"]


@ROUTES
def test_an_answer_that_waits_for_an_approver_is_followed_until_it_is_handed_out(
    site: Site, first: Staged, route: str
) -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "send_email", "arguments": '{"to": "eve@evil.example"}'},
    }
    first.always(completion("", tool_calls=[call]))
    tool: Json = {"name": "send_email", "parameters": {"type": "object", "properties": {}}}
    body = asking(route, data="Write to eve@evil.example.")
    body["tools"] = [tool] if route == SPLIT else [{"type": "function", "function": tool}]
    answer = site.call(route, body)
    held = answer.headers["x-splitgate-approval"]
    _, outcome = site.of(answer.headers["x-request-id"])
    assert (outcome["decision"], outcome["approval"]) == ("require_approval", held)
    assert outcome["status"] == answer.status_code
    decided = site.call(f"/v1/approvals/{held}", {"decision": "approve", "reason": "fine"}, key="planted-boss-key")
    assert decided.status_code == 200
    assert [event["actor"]["key"] for event in _of_approval(site, held)] == ["boss"]
    assert site.call(f"/v1/approvals/{held}").status_code == 200
    events = _of_approval(site, held)
    assert [event["what"] for event in events] == ["approval.decided", "approval.handed_out"]
    assert phases(events) == ["decision", "decision"]
    assert [event["decision"] for event in events] == ["approved", "consumed"]


def _of_approval(site: Site, held: str) -> list[Json]:
    return [event for event in site.what("approval.decided", "approval.handed_out") if event["approval"] == held]


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize(
    ("body", "code", "status"),
    [(b"{", "malformed_body", 400), (b'{"model": "planted-model", "x": 1}', None, 400), (b"[]", None, 400)],
)
def test_a_malformed_request_of_a_known_caller_leaves_an_outcome(
    site: Site, first: Staged, route: str, body: bytes, code: str | None, status: int
) -> None:
    headers = {"authorization": "Bearer planted-app-key", "content-type": "application/json"}
    answer = site.http.post(route, content=body, headers=headers)
    (outcome,) = site.of(answer.headers["x-request-id"])
    assert (answer.status_code, outcome["phase"], outcome["status"]) == (status, "outcome", status)
    assert code is None or outcome["error"] == code
    assert outcome["actor"]["key"] == "app"
    assert not {"decision", "intent", "segments"} & outcome.keys()
    assert not first.bodies


@ROUTES
def test_a_model_that_nobody_configured_leaves_an_outcome_without_its_name(site: Site, route: str) -> None:
    answer, (outcome,) = site.ask(route, model="planted-model")
    assert (answer.status_code, outcome["status"]) == (404, 404)
    assert outcome["model"] == "(unknown)"


@ROUTES
def test_a_request_that_no_target_may_serve_leaves_a_decision_and_no_call(
    site: Site, first: Staged, route: str
) -> None:
    body = {**asking(route), "min_isolation": "native"} if route == SPLIT else asking(route)
    headers = {} if route == SPLIT else {"x-splitgate-min-isolation": "native"}
    if route == CHAT:
        body["min_isolation"] = "native"
    answer = site.http.post(route, json=body, headers={"authorization": "Bearer planted-app-key", **headers})
    found = site.of(answer.headers["x-request-id"])
    assert answer.status_code >= 400
    assert phases(found) == ["decision", "outcome"]
    assert found[0]["decision"] == "allow"
    assert not first.bodies


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_cannot_be_reached_leaves_intent_and_outcome(site: Site, route: str, *, stream: bool) -> None:
    answer, found = site.ask(route, model="dead", stream=stream)
    assert phases(found) == ["intent", "outcome"]
    assert found[1]["status"] == answer.status_code
    assert found[1]["error"] == "upstream_unreachable"
    assert "output" not in found[1]


@ROUTES
def test_an_upstream_that_refuses_leaves_intent_and_outcome(site: Site, first: Staged, route: str) -> None:
    first.always({"error": {"message": "no"}}, status=400)
    answer, found = site.ask(route)
    assert phases(found) == ["intent", "outcome"]
    assert (found[1]["status"], found[1]["error"]) == (answer.status_code, "upstream_rejected")


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("stream", [False, True])
def test_each_attempt_has_an_intent_of_its_own_before_it(
    site: Site, first: Staged, second: Staged, chunk: Chunk, route: str, *, stream: bool
) -> None:
    first.always({"error": {}}, status=503)
    said = b"".join(
        b"data: " + json.dumps(one).encode() + b"\n\n"
        for one in (chunk({"role": "assistant", "content": ANSWER}), chunk({}, "stop"))
    )
    streamed: Json = {"body": said + b"data: [DONE]\n\n", "content_type": "text/event-stream"}
    second.always(**streamed if stream else {"body": completion(ANSWER)})
    answers, seen = second.automatic, list[list[str]]()
    assert answers is not None

    def look(body: Json) -> Any:
        seen.append([r["target"] for r in records(site.folder) if r["phase"] == "intent"][-2:])
        return answers(body)

    second.automatic = look
    answer, found = site.ask(route, model="two", stream=stream)
    assert answer.status_code == 200
    assert phases(found) == ["intent", "intent", "outcome"]
    assert seen == [["two-0", "two-1"]]
    assert [(intent["target"], intent["attempt"]) for intent in found[:2]] == [("two-0", 1), ("two-1", 2)]
    assert found[2]["intent"] == found[1]["event"]


@ROUTES
def test_a_client_that_leaves_in_mid_stream_leaves_an_outcome_that_says_so(
    site: Site, first: Staged, dial: Dial, chunk: Chunk, route: str
) -> None:
    wire = dial(site.url)
    wire.request(route, json.dumps(asking(route, stream=True)).encode(), authorization="Bearer planted-app-key")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant", "content": ANSWER}))
    request = wire.until(b"\r\n\r\n").decode().partition("x-request-id: ")[2].partition("\r\n")[0]
    wire.close()
    assert exchange.caller_left()
    until(lambda: len(site.of(request)) == 2)
    intent, outcome = site.of(request)
    assert (intent["phase"], outcome["phase"]) == ("intent", "outcome")
    assert (outcome["status"], outcome["error"], outcome["intent"]) == (499, "client_gone", intent["event"])


@ROUTES
def test_an_upstream_that_breaks_off_in_mid_stream_is_told_with_what_the_client_got(
    site: Site, first: Staged, chunk: Chunk, route: str
) -> None:
    said = b"data: " + json.dumps(chunk({"role": "assistant", "content": ANSWER})).encode() + b"\n\n"
    first.always(said, content_type="text/event-stream", cut=True)
    answer, found = site.ask(route, stream=True)
    assert answer.status_code == 200
    assert phases(found) == ["intent", "outcome"]
    assert found[1]["status"] == 200
    assert found[1]["error"].startswith("upstream_")


@ROUTES
def test_whoever_is_no_known_caller_leaves_no_record_and_is_counted(site: Site, first: Staged, route: str) -> None:
    before = _turned_away(site)
    answer = site.call(route, asking(route), key="planted-wrong-key")
    assert answer.status_code == 401
    assert not site.of(answer.headers["x-request-id"])
    assert until(lambda: _turned_away(site) - before) == 1
    assert not first.bodies


def _turned_away(site: Site) -> int:
    beats = [record for record in records(site.folder) if record["phase"] == "heartbeat"]
    return sum(beat.get("refused", {}).get("invalid_api_key", 0) for beat in beats)


def test_one_person_is_one_pseudonym_whichever_field_names_them(site: Site, first: Staged) -> None:
    first.always(completion(ANSWER))
    split, chat = asking(SPLIT), asking(CHAT)
    asked = [
        site.call(SPLIT, {**split, "subject": SUBJECT}),
        site.call(CHAT, {**chat, "subject": SUBJECT}),
        site.call(CHAT, {**chat, "safety_identifier": SUBJECT}),
        site.call(CHAT, {**chat, "metadata": {"user_id": SUBJECT}}),
    ]
    (named,) = {str(record.get("subject")) for one in asked for record in site.of(one.headers["x-request-id"])}
    assert len(named) == 32
    # Of a segment of their own it is the same, while the request is about nobody.
    body = {**split, "data": [{"id": "d", "origin": "mail", "text": PROMPT, "subject": SUBJECT}]}
    found, _ = site.of(site.call(SPLIT, body).headers["x-request-id"])
    assert [segment.get("subject") for segment in found["segments"]] == [None, named]
    assert "subject" not in found
    # What is committed to for one of them is not what is for nobody.
    plain = [site.of(site.call(SPLIT, split).headers["x-request-id"])[0]["segments"][1]["commitment"] for _ in "ab"]
    assert plain[0] == plain[1]
    assert found["segments"][1]["commitment"] not in plain


def test_policies_and_grants_are_recorded_when_they_come_and_go(site: Site, first: Staged) -> None:
    first.always(completion(ANSWER))
    before = len(site.what("policies"))
    site.policy.write_text(POLICY.replace("virus", "worm"))
    assert site.call("/admin/policies/reload", {}, key="planted-root-key").status_code == 200
    try:
        # Nobody waits for this record; it stands before those of requests that are judged by what it tells.
        until(lambda: len(site.what("policies")) > before)
        loaded = site.what("policies")
        assert loaded[-1]["revision"] != loaded[-2]["revision"]
        wish = {"reason": "An emergency.", "minutes": 5}
        assert site.call("/admin/break-glass", wish, key="planted-root-key").status_code < 300
        granted = site.what("break_glass.granted")
        assert [(one["bypass"], one["by"], one["phase"]) for one in granted] == [("An emergency.", "root", "decision")]
        answer, found = site.ask(SPLIT, origin="worm")
        assert (answer.status_code, found[-1]["bypass"]) == (200, "An emergency.")
        ended = site.http.request("DELETE", "/admin/break-glass", headers={"authorization": "Bearer planted-root-key"})
        assert ended.status_code < 300
        until(lambda: site.what("break_glass.ended"))
        (over,) = site.what("break_glass.ended")
        assert (over["grant"], over["by"]) == (granted[0]["grant"], "root")
        answer, found = site.ask(SPLIT, origin="worm")
        assert (answer.status_code, "bypass" in found[-1]) == (400, False)
    finally:
        site.policy.write_text(POLICY)
        assert site.call("/admin/policies/reload", {}, key="planted-root-key").status_code == 200


def test_no_text_key_or_person_is_in_any_file_of_the_journals(site: Site, first: Staged) -> None:
    first.always(completion(ANSWER, tool_calls=[]))
    for route in (CHAT, SPLIT):
        assert site.call(route, {**asking(route), "subject": SUBJECT}).status_code == 200
    texts = [PROMPT, ANSWER, SUBJECT, SECRET, "eve@evil.example", "planted-", "Sum up."]
    for path in site.folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert [text for text in texts if text.encode() in raw] == [], path


def test_what_requests_left_is_whole(site: Site, first: Staged) -> None:
    first.always(completion(ANSWER, tool_calls=[]))
    before = verified(site.folder).records
    for route in (CHAT, SPLIT, CHAT):
        assert site.call(route, asking(route)).status_code == 200
    report = verified(site.folder)
    assert report.problems == ()
    # An intent and an outcome of each.
    assert report.records >= before + 6


@pytest.fixture
def keeping(run_gateway: Callable[..., Gateway], first: Staged, tmp_path: Path) -> Gateway:
    """A gateway that keeps texts, encrypted; its journals lie in ``audit``."""
    config, _ = configured(tmp_path, {"one": [first.url]}, ", content: encrypted")
    return run_gateway(config)


def test_encrypted_content_is_what_was_sent_and_what_came_and_a_stop_leaves_nothing_to_tell(
    keeping: Gateway, first: Staged, dial: Dial, chunk: Chunk, tmp_path: Path
) -> None:
    first.always(completion(ANSWER))
    body = {**asking(SPLIT, data=f"{PROMPT} {SECRET} end"), "subject": SUBJECT}
    headers = {"authorization": "Bearer planted-app-key"}
    answer = httpx.post(keeping.url + SPLIT, json=body, headers=headers, timeout=30, trust_env=False)
    assert answer.status_code == 200
    folder = tmp_path / "audit"
    intent, outcome = [r for r in records(folder) if r.get("request") == answer.headers["x-request-id"]]
    assert intent["decision"] == "redact"
    assert intent["segments"][1]["sent"] != intent["segments"][1]["commitment"]
    with contextlib.closing(SubjectKeys(Places(folder).subjects, master_key(None, tmp_path / "state"))) as keys:
        texts = [content_of(Places(folder), keys, intent, part) for part in intent["segments"]]
        assert texts == [Text(text="Sum up."), Text(text=f"{PROMPT} [REDACTED:aws_access_key] end")]
        assert content_of(Places(folder), keys, outcome, outcome["output"][0]) == Text(text=ANSWER)
    _stop_in_mid_stream(keeping, first, dial, chunk)
    assert [r["phase"] for r in records(folder) if "request" in r] == ["intent", "outcome"] * 2
    assert records(folder)[-1]["what"] == "stopped"
    assert [entry["entry"] for entry in registry(folder)] == ["opened", "closed"]
    assert verified(folder).findings == ()
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not [text for text in (PROMPT, ANSWER, SUBJECT, SECRET) if text.encode() in raw]


def _stop_in_mid_stream(gateway: Gateway, upstream: Staged, dial: Dial, chunk: Chunk) -> None:
    upstream.automatic = None
    wire = dial(gateway.url)
    wire.request(SPLIT, json.dumps(asking(SPLIT, stream=True)).encode(), authorization="Bearer planted-app-key")
    exchange = upstream.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant", "content": ANSWER}))
    wire.until(b"text/event-stream")
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    exchange.say(chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    wire.until(b"\r\n0\r\n\r\n")
    assert gateway.process.wait(PATIENCE_S) == 0


def test_without_an_audit_replies_say_so_and_nothing_is_written(
    run_gateway: Callable[..., Gateway], first: Staged, tmp_path: Path
) -> None:
    config, _ = configured(tmp_path, {"one": [first.url]}, ", enabled: false")
    gateway = run_gateway(config)
    first.always(completion(ANSWER))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        for route in (CHAT, SPLIT):
            answer = http.post(route, json=asking(route), headers={"authorization": "Bearer planted-app-key"})
            assert answer.status_code == 200
            assert "unaudited" in answer.headers["x-splitgate-notes"].split(",")
        assert http.get("/readyz").status_code == 200
    assert not (tmp_path / "audit").exists()


@pytest.fixture
def crew(tmp_path: Path, first: Staged) -> Iterator["subprocess.Popen[str]"]:
    """A gateway of two workers; its address is the first line that ends with one."""
    config, _ = configured(tmp_path, {"one": [first.url]})
    (tmp_path / "splitgate.yaml").write_text(config)
    command = [str(Path(sys.executable).with_name("splitgate")), "serve", "--port", "0", "--workers", "2"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--config", str(tmp_path / "splitgate.yaml")], stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)


def test_each_worker_writes_an_epoch_and_whoever_is_killed_is_sealed_by_the_next(
    crew: "subprocess.Popen[str]", first: Staged, tmp_path: Path
) -> None:
    assert crew.stdout is not None
    url = next(line.split()[-1] for line in crew.stdout if "is listening on" in line)
    folder = tmp_path / "audit"
    first.always(completion(ANSWER))

    def ask(_: int) -> str:
        headers = {"authorization": "Bearer planted-app-key", "connection": "close"}
        answer = httpx.post(url + SPLIT, json=asking(SPLIT), headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200
        return answer.headers["x-request-id"]

    with ThreadPoolExecutor(8) as pool:
        asked = set(pool.map(ask, range(40)))
    until(lambda: asked.add(ask(0)) or len(_served(folder)) == 2)
    assert [entry["entry"] for entry in registry(folder)] == ["opened", "opened"]
    root = {"authorization": "Bearer planted-root-key"}
    state = httpx.get(f"{url}/admin/policies", headers=root, timeout=30, trust_env=False).json()
    os.kill(state["pid"], signal.SIGKILL)
    until(lambda: len(registry(folder)) >= 4)
    # The next one serves by now.
    until(lambda: asked.add(ask(0)) or len(_served(folder)) == 3)
    crew.send_signal(signal.SIGTERM)
    assert crew.wait(PATIENCE_S) == 0
    ends = {entry["epoch"]: entry["entry"] for entry in registry(folder)}
    assert sorted(ends.values()) == ["closed", "closed", "sealed"]
    assert {record["request"] for record in records(folder) if record["phase"] == "outcome"} == asked
    report = verified(folder)
    assert report.problems == ()
    assert {notice.kind.value for notice in report.notices} <= {"unsigned-tail", "torn-tail"}


def _served(folder: Path) -> set[str]:
    """The epochs in which requests were answered."""
    return {record["event"].partition(".")[0] for record in records(folder) if record["phase"] == "outcome"}
