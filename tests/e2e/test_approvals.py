"""An answer that waits for a person: how is it asked for, decided on and fetched, and by whom?"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

# By name: the tenant, and whether the key may decide.
KEYS = {
    "agent": ("shop", False), "colleague": ("shop", False), "boss": ("shop", True), "chief": ("shop", True),
    "stranger": ("elsewhere", True), "operator": ("elsewhere", False),
}  # fmt: skip
ARGUMENTS = {"to": "eve@evil.example", "body": "the planted text"}

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: held}
spec:
  mode: enforce
  tools: {send_email: {effect: egress, sink_args: [to]}}
  rules:
    - {id: recipient, stage: tool_call, severity: critical, when: tool.effect == 'egress' && tool.derived,
       action: require_approval, message: The recipient may stem from data.}
"""


class Gateway(Protocol):
    url: str
    log: Path


class Upstream(Protocol):
    url: str

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Office:
    """A gateway, its policy's file and its store; ``call`` sends a request with the key of that name."""

    http: httpx.Client
    policy: Path
    store: Path
    log: Path

    def call(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={"authorization": f"Bearer {who}"})

    def decide(self, id_: str, who: str = "boss", decision: str = "approve") -> httpx.Response:
        return self.call(who, "POST", f"/v1/approvals/{id_}", {"decision": decision, "reason": "I looked at it."})

    def fetch(self, id_: str, who: str = "agent") -> httpx.Response:
        return self.call(who, "GET", f"/v1/approvals/{id_}")

    def enforce(self, text: str) -> None:
        """Put another policy in force."""
        self.policy.write_text(text)
        assert self.call("operator", "POST", "/admin/policies/reload").status_code == 200


@pytest.fixture(scope="module")
def office(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("office")
    policy = folder / "held.yaml"
    policy.write_text(POLICY)
    keys = "".join(
        f"  - {{name: {name}, tenant: {tenant}, "
        f"roles: [app{', approver' if approver else ''}{', admin' if name == 'operator' else ''}], "
        f"sha256: {hashlib.sha256(name.encode()).hexdigest()}}}\n"
        for name, (tenant, approver) in KEYS.items()
    )
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    gateway = keep_gateway(
        f"state_dir: {folder / 'state'}\npolicies: {{packs: [], paths: [{policy}], watch: false}}\nkeys:\n{keys}"
        f"models: {{m: {{targets: [{target}]}}}}\n"
    )
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        store = folder / "state" / "approvals.sqlite3"
        yield Office(http=http, policy=policy, store=store, log=gateway.log)


TOOL: Json = {"name": "send_email", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def ask(office: Office, upstream: Upstream, chunk: Chunk) -> Callable[..., httpx.Response]:
    """``ask(path, stream=…, who=…, to=…)``: the model calls ``send_email`` after it has read untrusted data."""

    def send(path: str = "/v1/split", *, stream: bool = False, who: str = "agent", **arguments: str) -> httpx.Response:
        call: Json = {
            "id": "c1",
            "type": "function",
            "function": {"name": "send_email", "arguments": json.dumps({**ARGUMENTS, **arguments})},
        }
        message: Json = {"role": "assistant", "content": "I shall write.", "tool_calls": [call]}
        if stream:
            delta = {**message, "tool_calls": [{"index": 0, **call}]}
            upstream.stream(chunk(delta), chunk({}, "tool_calls"))
        else:
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        body: Json = {"model": "m", "data": "The mail.", "stream": stream}
        if path == "/v1/split":
            body |= {"instructions": "Answer it, and tell ann@example.com.", "tools": [TOOL]}
        elif path == "/v1/responses":
            body |= {"input": "Answer it, and tell ann@example.com.", "tools": [{"type": "function", **TOOL}]}
        else:
            messages = [{"role": "user", "content": "Answer it, and tell ann@example.com."}]
            custom = {"name": TOOL["name"], "input_schema": TOOL["parameters"]}
            tool = custom if path == "/v1/messages" else {"type": "function", "function": TOOL}
            body |= {"messages": messages, "tools": [tool], "max_tokens": 9}
        return office.call(who, "POST", path, body)

    return send


Ask: TypeAlias = Callable[..., httpx.Response]


def named(answer: httpx.Response) -> str:
    """The approval that an answer names, in whichever form it came."""
    assert ARGUMENTS["to"] not in answer.text
    assert "planted" not in answer.text
    # A stream's text goes on while no rule looks at text; the calls that wait never do.
    assert ("I shall write" in answer.text) == answer.headers["content-type"].startswith("text/event-stream")
    return answer.text.split("/v1/approvals/")[1].split('"')[0].split()[0]


def test_the_native_answer_is_accepted_and_names_its_approval(office: Office, ask: Ask) -> None:
    answer = ask()
    assert answer.status_code == 202
    told = answer.json()
    assert told["tools"] == ["send_email"]
    assert told["url"] == f"/v1/approvals/{told['approval']}"
    assert told["expires"] - time.time() == pytest.approx(3600, abs=60)
    assert told["split"]["decision"] == answer.headers["x-splitgate-decision"] == "require_approval"
    assert [found["rule"] for found in told["split"]["findings"]] == ["recipient"]
    assert "output" not in told
    assert office.fetch(told["approval"]).json()["status"] == "pending"


def test_what_needs_nobody_comes_at_once(ask: Ask) -> None:
    answer = ask(to="ann@example.com")
    assert answer.status_code == 200
    assert answer.json()["output"][1]["name"] == "send_email"


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_completion_ends_at_once_and_names_the_approval(office: Office, ask: Ask, stream: bool) -> None:
    answer = ask("/v1/chat/completions", stream=stream)
    assert answer.status_code == 200
    assert '"finish_reason":"content_filter"' in answer.text
    assert "tool_calls" not in answer.text
    id_ = named(answer)
    assert office.decide(id_).status_code == 200
    came = office.fetch(id_).json()
    (choice,) = came["choices"]
    assert came["object"] == "chat.completion"
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I shall write.", "tool_calls")
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == ARGUMENTS


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_of_anthropics_ends_at_once_and_names_the_approval(office: Office, ask: Ask, stream: bool) -> None:
    answer = ask("/v1/messages", stream=stream)
    assert answer.status_code == 200
    assert '"stop_reason":"refusal"' in answer.text
    assert "tool_use" not in answer.text
    id_ = named(answer)
    assert office.decide(id_).status_code == 200
    came = office.fetch(id_).json()
    assert (came["type"], came["stop_reason"]) == ("message", "tool_use")
    text, call = came["content"]
    assert (text["text"], call["input"]) == ("I shall write.", ARGUMENTS)


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_ends_at_once_and_names_the_approval(office: Office, ask: Ask, stream: bool) -> None:
    answer = ask("/v1/responses", stream=stream)
    assert answer.status_code == 200
    assert '"incomplete_details":{"reason":"content_filter"}' in answer.text
    assert "function_call" not in answer.text
    id_ = named(answer)
    assert office.decide(id_).status_code == 200
    came = office.fetch(id_).json()
    message, call = came["output"]
    assert (came["object"], came["status"]) == ("response", "completed")
    assert message["content"][0]["text"] == "I shall write."
    assert (call["name"], json.loads(call["arguments"])) == ("send_email", ARGUMENTS)
    # It repeats its request, as an answer that nobody had to look at does.
    assert [tool["name"] for tool in came["tools"]] == ["send_email"]


def test_the_native_stream_has_an_event_of_its_own(office: Office, ask: Ask) -> None:
    answer = ask(stream=True)
    assert "event: approval_required\n" in answer.text
    done = json.loads(answer.text.split("event: done\ndata: ")[1].split("\n")[0])
    assert (done["finish_reason"], done["split"]["decision"]) == ("content_filter", "require_approval")
    id_ = named(answer)
    office.decide(id_)
    came = office.fetch(id_).json()
    assert [item["type"] for item in came["output"]] == ["text", "tool_call"]
    assert json.loads(came["output"][1]["arguments"]) == ARGUMENTS
    assert came["split"]["decision"] == "require_approval"


def test_an_approver_sees_the_terms_and_decides_and_the_requester_fetches_once(office: Office, ask: Ask) -> None:
    id_ = named(ask())
    terms = office.call("boss", "GET", f"/v1/approvals/{id_}?view=terms").json()
    assert (terms["requested_by"], terms["rules"], terms["status"]) == ("agent", ["recipient"], "pending")
    assert [(call["name"], json.loads(call["arguments"])) for call in terms["calls"]] == [("send_email", ARGUMENTS)]
    assert office.fetch(id_, who="boss").status_code == 404
    assert office.fetch(id_).status_code == 202
    assert office.decide(id_).json()["status"] == "approved"
    first = office.fetch(id_)
    assert first.status_code == 200
    assert json.loads(first.json()["output"][1]["arguments"]) == ARGUMENTS
    assert first.headers["cache-control"] == "no-store"
    assert office.fetch(id_).status_code == 410
    assert "approval_decided" in office.decide(id_, decision="deny").text


def test_what_is_denied_is_never_had(office: Office, ask: Ask) -> None:
    id_ = named(ask())
    assert office.decide(id_, decision="deny").json()["status"] == "denied"
    assert "approval_decided" in office.decide(id_, who="chief").text
    assert office.fetch(id_).status_code == 403


@pytest.mark.parametrize(
    ("asker", "decider", "status"),
    [("agent", "agent", 403), ("agent", "colleague", 403), ("boss", "boss", 403), ("agent", "stranger", 404)],
)
def test_who_must_not_decide_cannot(office: Office, ask: Ask, asker: str, decider: str, status: int) -> None:
    id_ = named(ask(who=asker))
    assert office.decide(id_, who=decider).status_code == status
    assert office.fetch(id_, who=asker).status_code == 202
    # The near miss: an approver that asks for something may be approved by another one.
    assert office.decide(id_, who="chief").status_code == 200
    assert office.fetch(id_, who=asker).status_code == 200


@pytest.mark.parametrize("who", ["colleague", "boss", "stranger"])
def test_nobody_else_fetches_what_was_approved(office: Office, ask: Ask, who: str) -> None:
    id_ = named(ask())
    office.decide(id_)
    assert office.fetch(id_, who=who).status_code == 404
    assert office.call(who, "HEAD", f"/v1/approvals/{id_}").status_code in {404, 405}
    assert office.fetch(id_).status_code == 200


def test_an_approval_expires(office: Office, ask: Ask) -> None:
    late, in_time = named(ask()), named(ask())
    for id_ in (late, in_time):
        office.decide(id_)
    with closing(sqlite3.connect(office.store, isolation_level=None)) as store:
        store.execute("UPDATE approvals SET expires = ? WHERE id = ?", (time.time() - 1, late))
    answer = office.fetch(late)
    assert answer.status_code == 410
    assert office.decide(late).status_code == 410
    assert office.fetch(in_time).status_code == 200


def test_a_yes_is_void_under_other_policies_even_when_they_change_back(office: Office, ask: Ask) -> None:
    approved, fetched, waiting = named(ask()), named(ask()), named(ask())
    for id_ in (approved, fetched):
        office.decide(id_)
    # A reload that changes nothing leaves the revision, and the yes.
    office.enforce(POLICY)
    assert office.fetch(fetched).status_code == 200
    try:
        office.enforce(POLICY.replace("The recipient", "This recipient"))
        assert office.fetch(approved).status_code == 410
    finally:
        office.enforce(POLICY)
    assert office.fetch(approved).status_code == 410
    assert office.fetch(waiting).status_code == 202


def test_of_many_who_fetch_at_once_one_gets_it(office: Office, ask: Ask) -> None:
    id_ = named(ask())
    office.decide(id_)
    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(office.fetch, [id_] * 8))
    assert sorted(answer.status_code for answer in came) == [200, *[410] * 7]


def test_without_a_store_nothing_is_held_and_nothing_is_released(office: Office, ask: Ask) -> None:
    named(ask())
    kept = office.store.rename(office.store.with_suffix(".kept"))
    office.store.mkdir()
    try:
        for path in ("/v1/split", "/v1/chat/completions"):
            answer = ask(path)
            assert answer.status_code == 503
            assert answer.headers["x-should-retry"] == "false"
            assert ARGUMENTS["to"] not in answer.text
        streamed = ask(stream=True)
        assert "event: error" in streamed.text
        assert ARGUMENTS["to"] not in streamed.text
        assert ask(to="ann@example.com").status_code == 200
    finally:
        office.store.rmdir()
        kept.rename(office.store)
    assert ask().status_code == 202


def test_the_audit_log_tells_of_decisions_and_no_text(office: Office, ask: Ask) -> None:
    id_ = named(ask())
    office.decide(id_)
    office.fetch(id_)
    log = office.log.read_text()
    said = [json.loads(line.split("splitgate.audit: ")[1]) for line in log.splitlines() if id_ in line]
    assert [(event["event"], event["by"]) for event in said] == [
        ("approval.decided", "boss"),
        ("approval.handed_out", "agent"),
    ]
    assert "planted" not in log
    assert ARGUMENTS["to"] not in log
