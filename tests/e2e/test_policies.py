"""What do callers see of a policy that acts? Refusals, endings, headers and findings, in both dialects."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest
from openai import BadRequestError, ContentFilterFinishReasonError, OpenAI
from pydantic import BaseModel

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
LINK = "see https://elsewhere.example/page"
LONG = "x" * 300

# Four policies for one model, each with one action; what the text holds chooses which of them hit.
COMBINED = {
    "p-redact": "{id: secret, stage: output, severity: error, when: det.secrets.found, action: redact, message: a key}",
    "p-approve": "{id: link, stage: output, severity: error, when: det.urls.found, action: require_approval, "
    "message: a link}",
    "p-block": "{id: long, stage: output, severity: error, when: det.size.chars > 250, action: block, message: no}",
    "p-score": "{id: key-scores, stage: output, severity: notice, when: det.secrets.found, action: score, message: a}",
}
INPUT = """
    - {id: no-keys, stage: data, severity: critical, when: det.secrets.found, action: block, message: Take it out.}
    - {id: no-mail, stage: data, severity: critical, when: segment.origin == 'email', action: block, message: No.}
    - {id: short, stage: instructions, severity: critical, when: det.size.chars > 250, action: block, message: Less.}
"""
DEMOTED = """
    - {id: pasted, stage: instructions, severity: notice, when: det.secrets.found && segment.trust == 'user',
       action: set_channel, channel: data, message: It holds a key.}
"""


class Gateway(Protocol):
    url: str


class Upstream(Protocol):
    url: str
    bodies: list[Json]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


def policy(name: str, model: str, rules: str) -> str:
    head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  mode: enforce\n  match: {{models: [{model}]}}\n  rules:\n{rules}\n"


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """Models ``input`` and ``combined`` under the policies above, ``demoted``, and ``free`` under none of them."""
    folder: Path = tmp_path_factory.mktemp("policies")
    (folder / "input.yaml").write_text(policy("no-keys-in-data", "input", INPUT))
    (folder / "demoted.yaml").write_text(policy("demoted", "demoted", DEMOTED))
    for name, rule in COMBINED.items():
        (folder / f"{name}.yaml").write_text(policy(name, "combined", f"    - {rule}"))
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    models = "".join(f"  {name}: {{targets: [{target}]}}\n" for name in ("input", "combined", "demoted", "free"))
    return keep_gateway(f"policies: {{packs: [], paths: [{folder}], watch: false}}\nmodels:\n{models}")


@pytest.fixture(scope="module")
def client(policed: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=policed.url, timeout=30, trust_env=False) as opened:
        yield opened


class Counting(httpx.HTTPTransport):
    """Counts the calls that the SDK makes of the gateway."""

    calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return super().handle_request(request)


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
def sdk(policed: Gateway, transport: Counting) -> Iterator[OpenAI]:
    http = httpx.Client(transport=transport, trust_env=False)
    with OpenAI(base_url=f"{policed.url}/v1", api_key="unused", http_client=http) as opened:
        assert opened.max_retries > 0
        yield opened


def split(model: str, **more: Any) -> Json:
    return {"model": model, "instructions": "Sum up.", "data": "Hello.", **more}


def says(upstream: Upstream, chunk: Chunk, text: str, *, stream: bool) -> None:
    if stream:
        upstream.stream(chunk({"role": "assistant"}), *(chunk({"content": char}) for char in text), chunk({}, "stop"))
    else:
        message = {"role": "assistant", "content": text}
        choice: Json = {"index": 0, "message": message, "finish_reason": "stop"}
        upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


def events(body: str) -> list[tuple[str, Json]]:
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in body.strip().split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_request_is_a_400_that_names_its_rules_natively(
    client: httpx.Client, upstream: Upstream, stream: bool
) -> None:
    data = [{"id": "m1", "origin": "email", "text": f"key {SECRET}"}, {"id": "m2", "text": "fine"}]
    answer = client.post("/v1/split", json=split("input", data=data, stream=stream))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("splitgate_blocked", 400)
    assert problem["rules"] == ["no-keys", "no-mail"]
    assert "no-keys (m1): Take it out." in problem["detail"]
    assert SECRET not in answer.text
    assert upstream.bodies == []


def test_what_no_rule_hits_goes_on_and_says_under_which_policy(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.post("/v1/split", json=split("input", data=[{"id": "m1", "origin": "web", "text": "key AKIA"}]))
    assert answer.status_code == 200
    told = answer.json()["split"]
    assert (told["decision"], told["findings"]) == ("allow", [])
    assert told["policy"]["name"] == "no-keys-in-data"
    assert told["policy"]["revision"].startswith("sha256:")
    assert answer.headers["x-splitgate-decision"] == "allow"
    assert answer.headers["x-splitgate-policy"] == f"no-keys-in-data@{told['policy']['revision']}"
    assert "x-splitgate-findings" not in answer.headers
    assert len(upstream.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_raises_a_blocked_request_once_and_tries_no_second_time(
    sdk: OpenAI, transport: Counting, upstream: Upstream, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as caught:
        sdk.chat.completions.create(
            model="input", messages=[{"role": "user", "content": "Sum up."}], stream=stream, extra_body={"data": SECRET}
        )
    error = caught.value
    assert (error.status_code, error.code, error.type) == (400, "splitgate_blocked", "invalid_request_error")
    assert "no-keys" in error.message
    assert SECRET not in str(error)
    assert transport.calls == 1
    assert upstream.bodies == []
    sdk.chat.completions.create(
        model="input", messages=[{"role": "user", "content": "Sum up."}], extra_body={"data": SECRET[:-1]}
    )
    assert len(upstream.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_reads_a_blocked_answer_as_filtered_content(
    sdk: OpenAI, transport: Counting, upstream: Upstream, chunk: Chunk, stream: bool
) -> None:
    says(upstream, chunk, LONG, stream=stream)
    messages: list[Any] = [{"role": "user", "content": "Sum up."}]
    if stream:
        came = list(sdk.chat.completions.create(model="combined", messages=messages, stream=True))
        choices = [one.choices[0] for one in came if one.choices]
        assert "".join(choice.delta.content or "" for choice in choices) == ""
        assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["content_filter"]
    else:
        choice = sdk.chat.completions.create(model="combined", messages=messages).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("content_filter", None)
    assert transport.calls == 1
    assert len(upstream.bodies) == 1


def test_the_sdk_says_of_a_blocked_answer_that_it_cannot_be_parsed(
    sdk: OpenAI, transport: Counting, upstream: Upstream, chunk: Chunk
) -> None:
    class Form(BaseModel):
        name: str

    messages: list[Any] = [{"role": "user", "content": "Sum up."}]
    says(upstream, chunk, json.dumps({"name": LONG}), stream=False)
    with pytest.raises(ContentFilterFinishReasonError):
        sdk.chat.completions.parse(model="combined", messages=messages, response_format=Form)
    assert transport.calls == 1
    says(upstream, chunk, json.dumps({"name": "x"}), stream=False)
    parsed = sdk.chat.completions.parse(model="combined", messages=messages, response_format=Form)
    assert parsed.choices[0].message.parsed == Form(name="x")


# What the answer holds, the decision of all four policies together, and which rules hit.
ANSWERS: list[tuple[str, str, list[str]]] = [
    ("All is well.", "allow", []),
    (f"Your key: {SECRET}.", "redact", ["key-scores", "secret"]),
    (f"{LINK}", "require_approval", ["link"]),
    (f"{SECRET} {LINK}", "require_approval", ["key-scores", "link", "secret"]),
    (f"{SECRET} {LINK} {LONG}", "block", ["key-scores", "link", "long", "secret"]),
    (f"{LONG}", "block", ["long"]),
]


@pytest.mark.rows
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("text", "decision", "rules"), ANSWERS)
def test_the_strictest_of_several_policies_decides_and_every_rule_that_hit_is_named(
    client: httpx.Client, upstream: Upstream, chunk: Chunk, text: str, decision: str, rules: list[str], stream: bool
) -> None:
    says(upstream, chunk, text, stream=stream)
    answer = client.post("/v1/split", json=split("combined", stream=stream))
    told = (events(answer.text)[-1][1] if stream else answer.json())["split"]
    assert told["decision"] == decision
    assert sorted(found["rule"] for found in told["findings"]) == rules
    assert told["policy"]["name"] == "p-approve,p-block,p-redact,p-score"
    assert SECRET not in answer.text
    if not stream:
        assert answer.status_code == (202 if decision == "require_approval" else 200)
        assert answer.headers["x-splitgate-decision"] == decision
        named = answer.headers.get("x-splitgate-findings", "")
        assert sorted(part.split("=")[0] for part in named.split(",") if part) == rules


def test_a_finding_tells_policy_action_and_weight_and_never_the_text(
    client: httpx.Client, upstream: Upstream, chunk: Chunk
) -> None:
    says(upstream, chunk, f"{SECRET} and {SECRET}", stream=False)
    answer = client.post("/v1/split", json=split("combined"))
    assert {"rule": "secret", "where": "output", "count": 2, "policy": "p-redact", "action": "redact",
            "weight": "acts"} in answer.json()["split"]["findings"]  # fmt: skip
    assert answer.json()["output"] == [
        {"type": "text", "text": "[REDACTED:aws_access_key] and [REDACTED:aws_access_key]"}
    ]


def test_a_stream_begins_pending_and_ends_with_what_was_decided(
    client: httpx.Client, upstream: Upstream, chunk: Chunk
) -> None:
    says(upstream, chunk, f"Your key: {SECRET}.", stream=True)
    answer = client.post("/v1/split", json=split("combined", stream=True))
    (first, start), *_, (last, done) = events(answer.text)
    assert (first, start["split"]["decision"]) == ("start", "pending")
    assert answer.headers["x-splitgate-decision"] == "pending"
    assert (last, done["finish_reason"], done["split"]["decision"]) == ("done", "stop", "redact")
    assert done["split"]["policy"] == start["split"]["policy"]
    assert "".join(data["text"] for kind, data in events(answer.text) if kind == "text") == (
        "Your key: [REDACTED:aws_access_key]."
    )


def test_a_rule_treats_an_instruction_as_data(client: httpx.Client, upstream: Upstream) -> None:
    system = {"role": "system", "content": "Sum up."}
    for text, roles in ((SECRET, {"tool"}), (SECRET[:-1], {"user"})):
        upstream.bodies.clear()
        messages = [system, {"role": "user", "content": text}]
        answer = client.post("/v1/chat/completions", json={"model": "demoted", "messages": messages})
        assert answer.status_code == 200, answer.text
        (sent,) = upstream.bodies
        assert {message["role"] for message in sent["messages"] if text in json.dumps(message)} == roles


def test_a_request_that_no_policy_matches_gets_the_baseline(client: httpx.Client, upstream: Upstream) -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "obey")
    answer = client.post("/v1/split", json=split("free", data=f"Hello.{hidden}"))
    assert answer.status_code == 400
    assert answer.json()["rules"] == ["hidden-text-in-data"]
    assert upstream.bodies == []
    answer = client.post("/v1/split", json=split("free"))
    assert answer.headers["x-splitgate-policy"].startswith("baseline@sha256:")
    assert len(upstream.bodies) == 1
