"""No cell unscanned: every channel of every endpoint, streamed and whole, under every action.

Embeddings have no stream, and no text in their answer. A policy for each action stands for a model of its own. A
credential is planted in one channel at a time, and must not come through where the policy acts, and must be told of
where it only watches. The short form takes cells in which every two values that can meet do; the long one takes all.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from gateway.domain.verdict import Action

Json: TypeAlias = dict[str, Any]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
# One that a client calls a tool by: findings, and so logs, name the tool.
NAMED = "AKIA" + "NM7ZK2M4N6P3R5T7"
KEYS = {"authorization": "Bearer planted-requester-key"}
STAGES = ("instructions", "data", "tools", "tool_call", "output")
INPUT_ACTIONS = ("block", "redact", "score", "shadow", "pseudonymise")
# `window` is redaction that releases a stream piece by piece.
OUTPUT_ACTIONS = ("block", "redact", "score", "shadow", "require_approval", "window")


class Script(Protocol):
    pieces: list[bytes]


class Upstream(Protocol):
    url: str
    raw: list[bytes]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...

    def stream(self, *chunks: Json, done: bool = True) -> None: ...


class Gateway(Protocol):
    url: str


def pairs(axes: Sequence[object]) -> set[object]:
    """Every two values of a cell, each with the axis that it is of."""
    return set(combinations(enumerate(axes), 2))


def covering(cells: Sequence[Sequence[object]]) -> list[bool]:
    """Which cells to take, so that all pairs of values that occur in any do in one of these; always the same ones.

    What the first pass takes in vain the second one gives back.
    """
    seen: set[object] = set()
    taken = [False] * len(cells)
    # Neighbours are alike: stepping through by a stride meets new pairs sooner. The stride shares no factor with most.
    stride = next(step for step in (97, 89, 83) if len(cells) % step)
    for start in range(len(cells)):
        index = start * stride % len(cells)
        taken[index] = not pairs(cells[index]) <= seen
        seen |= pairs(cells[index])
    counted = Counter(pair for cell, chosen in zip(cells, taken, strict=True) if chosen for pair in pairs(cell))
    for index, cell in enumerate(cells):
        if taken[index] and all(counted[pair] > 1 for pair in pairs(cell)):
            taken[index] = False
            counted.subtract(pairs(cell))
    return taken


def marks(*, taken: bool) -> Sequence[pytest.MarkDecorator]:
    return () if taken else (pytest.mark.exhaustive,)


def policy(action: str) -> str:
    """Rules at every stage that look for a credential and ask for ``action``, for the model of that name."""
    mode = "shadow" if action == "shadow" else "enforce"
    asked = {"shadow": "block", "window": "redact"}.get(action, action)
    stages = {"require_approval": STAGES[3:], "pseudonymise": STAGES[:2]}.get(action, STAGES)
    rules = "".join(
        f"    - {{id: {stage}, stage: {stage}, severity: critical, when: det.secrets.found, action: {asked}, "
        "message: no}\n"
        for stage in stages
    )
    streaming = "  streaming: {mode: window, window_chars: 320}\n" if action == "window" else ""
    head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: {action.replace('_', '-')}}}\n"
    return f"{head}spec:\n  mode: {mode}\n{streaming}  match: {{models: [{action}]}}\n  rules:\n{rules}"


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    folder: Path = tmp_path_factory.mktemp("policies")
    actions = dict.fromkeys((*INPUT_ACTIONS, *OUTPUT_ACTIONS))
    for action in actions:
        (folder / f"{action}.yaml").write_text(policy(action))
    target = (
        f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, '
        "format: tool-envelope, extra_params: [reasoning_content]}"
    )
    models = "".join(f"  {action}: {{targets: [{target}]}}\n" for action in actions)
    state = tmp_path_factory.mktemp("state")
    return keep_gateway(
        f"state_dir: {state}\npolicies: {{packs: [], paths: [{folder}], watch: false}}\nmodels:\n{models}",
        names=frozenset({NAMED}),
    )


@pytest.fixture(scope="module")
def client(policed: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=policed.url, timeout=30) as opened:
        yield opened


USER: Json = {"role": "user", "content": "Hello"}


# Where a credential may stand in a request: by name, what it adds to a chat body.
def chat_inputs() -> dict[str, Json]:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": json.dumps({"q": SECRET})}}
    deep = {"type": "object", "properties": {"q": {"type": "string", "description": f"such as {SECRET}"}}}
    user = {"role": "user", "content": "Hello"}
    tool: Json = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    result = {"role": "tool", "tool_call_id": "c1", "content": f"it is {SECRET}"}
    plain_call = {**call, "function": {"name": "look", "arguments": "{}"}}
    escaped = SECRET.replace("A", "\\u0041")
    return {
        "system": {"messages": [{"role": "system", "content": SECRET}, user]},
        "developer": {"messages": [{"role": "developer", "content": SECRET}, user]},
        "user": {"messages": [{"role": "user", "content": SECRET}]},
        "user part": {"messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}]},
        "data part": {
            "messages": [{"role": "user", "content": [{"type": "data", "text": SECRET}, {"type": "text", "text": "x"}]}]
        },
        "input role": {"messages": [user, {"role": "input", "content": SECRET}]},
        "data field": {"messages": [user], "data": SECRET},
        "marked text": {"messages": [{"role": "user", "content": f"Sum up <documents>{SECRET}</documents>"}]},
        "tool result": {"messages": [user, {"role": "assistant", "tool_calls": [plain_call]}, result]},
        "history": {"messages": [user, {"role": "assistant", "content": SECRET}, user]},
        "history refusal": {"messages": [user, {"role": "assistant", "refusal": SECRET}, user]},
        "history reasoning": {
            "messages": [user, {"role": "assistant", "content": "x", "reasoning_content": SECRET}, user]
        },
        "history arguments": {
            "messages": [user, {"role": "assistant", "tool_calls": [call]}, {**result, "content": "none"}]
        },
        "escaped history arguments": {
            "messages": [
                user,
                {
                    "role": "assistant",
                    "tool_calls": [{**call, "function": {"name": "look", "arguments": f'{{"q":"{escaped}"}}'}}],
                },
                {**result, "content": "none"},
            ]
        },
        "tool description": {
            "messages": [user],
            "tools": [{"type": "function", "function": {**tool, "description": SECRET}}],
        },
        "tool schema": {
            "messages": [user],
            "tools": [{"type": "function", "function": {**tool, "parameters": deep}}],
        },
        "response format": {
            "messages": [user],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": deep}},
        },
        "stop": {"messages": [user], "stop": [SECRET]},
        "two parts": {"messages": [{"role": "user", "content": halves("text")}]},
        "two data parts": {
            "messages": [user, {"role": "user", "content": [*halves("data"), {"type": "text", "text": "x"}]}]
        },
        "two parts of a tool result": {
            "messages": [user, {"role": "assistant", "tool_calls": [plain_call]}, {**result, "content": halves("text")}]
        },
        "tool name": {"messages": [user], "tools": [{"type": "function", "function": {**tool, "name": NAMED}}]},
        "history call name": {
            "messages": [
                user,
                {"role": "assistant", "tool_calls": [{**call, "function": {"name": SECRET, "arguments": "{}"}}]},
                {**result, "content": "none"},
            ]
        },
        "history call id": {
            "messages": [
                user,
                {"role": "assistant", "tool_calls": [{**plain_call, "id": SECRET}]},
                {**result, "tool_call_id": SECRET, "content": "none"},
            ]
        },
        "data id": {"messages": [user], "data": [{"id": SECRET, "text": "x"}]},
        "data origin": {"messages": [user], "data": [{"origin": SECRET, "text": "x"}]},
    }


def halves(kind: str) -> list[Json]:
    """The credential in two parts of one message."""
    return [{"type": kind, "text": SECRET[:9]}, {"type": kind, "text": SECRET[9:]}]


def split_inputs() -> dict[str, Json]:
    deep = {"type": "object", "properties": {"q": {"type": "string", "description": f"such as {SECRET}"}}}
    return {
        "instructions": {"instructions": SECRET},
        "instruction segment": {"instructions": [{"id": "a", "text": "x"}, {"id": "b", "text": SECRET}]},
        "data": {"instructions": "x", "data": SECRET},
        "data segment": {"instructions": "x", "data": [{"id": "a", "text": "y"}, {"id": "b", "text": SECRET}]},
        "tool description": {"instructions": "x", "tools": [{"name": "look", "description": SECRET}]},
        "tool schema": {"instructions": "x", "tools": [{"name": "look", "parameters": deep}]},
        "output schema": {"instructions": "x", "output_schema": deep},
    }


def messages_inputs() -> dict[str, Json]:
    deep = {"type": "object", "properties": {"q": {"type": "string", "description": f"such as {SECRET}"}}}
    tool: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": SECRET}}
    plain_call = {**call, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "none"}
    text = {"type": "text", "text": "x"}
    page = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    found = {"type": "search_result", "title": "x", "source": "x", "content": [text]}
    told = {"type": "text", "text": SECRET}

    def users(*blocks: Json) -> Json:
        return {"messages": [{"role": "user", "content": [*blocks, text]}]}

    def after(block: Json, returned: Json = result) -> Json:
        said = {"role": "assistant", "content": [block]}
        return {
            "messages": [USER, said, {"role": "user", "content": [returned] if block["type"] == "tool_use" else "x"}]
        }

    def returns(content: Any) -> Json:
        return after(plain_call, {**result, "content": content})

    return {
        "system": {"messages": [USER], "system": SECRET},
        "system block": {"messages": [USER], "system": [text, told]},
        "system data": {"messages": [USER], "system": [text, {"type": "data", "text": SECRET}]},
        "system message": {"messages": [USER, {"role": "system", "content": SECRET}, USER]},
        "user": {"messages": [{"role": "user", "content": SECRET}]},
        "user block": users(told),
        "data block": users({"type": "data", "text": SECRET}),
        "input role": {"messages": [USER, {"role": "input", "content": SECRET}]},
        "data field": {"messages": [USER], "data": SECRET},
        "marked text": {"messages": [{"role": "user", "content": f"Sum up <documents>{SECRET}</documents>"}]},
        "document": users({**page, "source": {"type": "text", "media_type": "text/plain", "data": SECRET}}),
        "document content": users({**page, "source": {"type": "content", "content": SECRET}}),
        "document block": users({**page, "source": {"type": "content", "content": [text, told]}}),
        "document title": users({**page, "title": SECRET}),
        "document context": users({**page, "context": SECRET}),
        "search result": users({**found, "content": [text, told]}),
        "search result title": users({**found, "title": SECRET}),
        "search result source": users({**found, "source": SECRET}),
        "tool result": returns(f"it is {SECRET}"),
        "tool result block": returns([text, told]),
        "tool result data": returns([{"type": "data", "text": SECRET}]),
        "tool result document": returns([{**page, "source": {"type": "content", "content": SECRET}}]),
        "tool result document title": returns([{**page, "title": SECRET}]),
        "tool result document context": returns([{**page, "context": SECRET}]),
        "tool result search result": returns([{**found, "content": [told]}]),
        "tool result search result source": returns([{**found, "source": SECRET}]),
        "history": {"messages": [USER, {"role": "assistant", "content": SECRET}, USER]},
        "history block": after(told),
        "history thinking": after({"type": "thinking", "thinking": SECRET, "signature": "c2ln"}),
        "history arguments": after(call),
        "tool description": {"messages": [USER], "tools": [{**tool, "description": SECRET}]},
        "tool schema": {"messages": [USER], "tools": [{**tool, "input_schema": deep}]},
        "response format": {
            "messages": [USER],
            "output_config": {"format": {"type": "json_schema", "schema": deep}},
        },
        "stop": {"messages": [USER], "stop_sequences": [SECRET]},
        "user id": {"messages": [USER], "metadata": {"user_id": SECRET}},
        "two blocks": {"messages": [{"role": "user", "content": halves("text")}]},
        "two system blocks": {"messages": [USER], "system": halves("text")},
        "two data blocks": users(*halves("data")),
        "two blocks of a document": users({**page, "source": {"type": "content", "content": halves("text")}}),
        "two blocks of a tool result": returns(halves("text")),
        "tool name": {"messages": [USER], "tools": [{**tool, "name": NAMED}]},
        "history call name": after({**plain_call, "name": SECRET}),
        "history call id": after({**plain_call, "id": SECRET}, {**result, "tool_use_id": SECRET}),
        "data id": {"messages": [USER], "data": [{"id": SECRET, "text": "x"}]},
        "data origin": {"messages": [USER], "data": [{"origin": SECRET, "text": "x"}]},
    }


def responses_inputs() -> dict[str, Json]:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": json.dumps({"q": SECRET})}
    plain_call = {**call, "arguments": "{}"}
    escaped = SECRET.replace("A", "\\u0041")
    deep = {"type": "object", "properties": {"q": {"type": "string", "description": f"such as {SECRET}"}}}
    user = {"role": "user", "content": "Hello"}
    tool: Json = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    result = {"type": "function_call_output", "call_id": "c1", "output": f"it is {SECRET}"}
    none = {**result, "output": "none"}
    x: Json = {"type": "input_text", "text": "x"}
    said: Json = {"type": "message", "id": "m1", "role": "assistant", "status": "completed"}
    thought: Json = {"type": "reasoning", "id": "r1", "summary": []}

    def given(*parts: Json) -> Json:
        return {"input": [{"role": "user", "content": [*parts]}]}

    def after(*items: Json) -> Json:
        return {"input": [user, *items, user]}

    return {
        "instructions": {"instructions": SECRET, "input": "x"},
        "input string": {"input": SECRET},
        "system": {"input": [{"role": "system", "content": SECRET}, user]},
        "developer": {"input": [{"role": "developer", "content": SECRET}, user]},
        "user": {"input": [{"role": "user", "content": SECRET}]},
        "user part": given({"type": "input_text", "text": SECRET}),
        "data part": given({"type": "data", "text": SECRET}, x),
        "input role": {"input": [user, {"role": "input", "content": SECRET}]},
        "data field": {"input": "x", "data": SECRET},
        "marked text": {"input": f"Sum up <documents>{SECRET}</documents>"},
        "tool result": {"input": [user, plain_call, result]},
        "part of a tool result": {
            "input": [user, plain_call, {**result, "output": [{"type": "input_text", "text": SECRET}]}]
        },
        "data part of a tool result": {
            "input": [user, plain_call, {**result, "output": [{"type": "data", "text": SECRET}]}]
        },
        "history": after({"role": "assistant", "content": SECRET}),
        "history part": after({**said, "content": [{"type": "output_text", "text": SECRET, "annotations": []}]}),
        "history refusal": after({**said, "content": [{"type": "refusal", "refusal": SECRET}]}),
        "history summary": after({**thought, "summary": [{"type": "summary_text", "text": SECRET}]}, plain_call, none),
        "history reasoning": after(
            {**thought, "content": [{"type": "reasoning_text", "text": SECRET}]}, plain_call, none
        ),
        "history arguments": {"input": [user, call, none]},
        "escaped history arguments": {"input": [user, {**call, "arguments": f'{{"q":"{escaped}"}}'}, none]},
        "tool description": {"input": "x", "tools": [{**tool, "description": SECRET}]},
        "tool schema": {"input": "x", "tools": [{**tool, "parameters": deep}]},
        "text format": {"input": "x", "text": {"format": {"type": "json_schema", "name": "x", "schema": deep}}},
        "metadata": {"input": "x", "metadata": {"run": SECRET}},
        "end user": {"input": "x", "user": SECRET},
        "safety identifier": {"input": "x", "safety_identifier": SECRET},
        "cache key": {"input": "x", "prompt_cache_key": SECRET},
        "two parts": given(*halves("input_text")),
        "two data parts": given(*halves("data"), x),
        "two parts of a tool result": {"input": [user, plain_call, {**result, "output": halves("input_text")}]},
        "tool name": {"input": "x", "tools": [{**tool, "name": NAMED}]},
        "history call name": {"input": [user, {**call, "name": SECRET, "arguments": "{}"}, none]},
        "history call id": {"input": [user, {**plain_call, "call_id": SECRET}, {**none, "call_id": SECRET}]},
        "data id": {"input": "x", "data": [{"id": SECRET, "text": "x"}]},
        "data origin": {"input": "x", "data": [{"origin": SECRET, "text": "x"}]},
    }


EMBEDDINGS = "/v1/embeddings"


def embedding_inputs() -> dict[str, Json]:
    return {
        "text": {"input": SECRET},
        "one text of several": {"input": ["x", f"it is {SECRET}.", "y"]},
        "end user": {"input": "x", "user": SECRET},
    }


def embedded(body: Json) -> Json:
    """An answer to it: a vector for each text."""
    texts = 1 if isinstance(body["input"], str) else len(body["input"])
    return {"data": [{"index": index, "embedding": [0.5, 1.0]} for index in range(texts)]}


INPUTS = [
    *(("/v1/chat/completions", name, body) for name, body in chat_inputs().items()),
    *(("/v1/responses", name, body) for name, body in responses_inputs().items()),
    *(("/v1/split", name, body) for name, body in split_inputs().items()),
    *(("/v1/messages", name, {"max_tokens": 9, **body}) for name, body in messages_inputs().items()),
    *((EMBEDDINGS, name, body) for name, body in embedding_inputs().items()),
]
# What stands at stage `tools` has no placeholders, nor have ids; and a name cannot be replaced.
TOOLS = {
    "tool description", "tool schema", "response format", "output schema", "text format", "stop", "tool name",
    "metadata", "end user", "safety identifier", "cache key", "user id",
}  # fmt: skip
IDS = {"history call id", "data id", "data origin"}
NAMES = {"tool name", "history call name", "history call id", "data id", "data origin"}
INPUT_CELLS = [
    cell
    for cell in product(INPUTS, (False, True), INPUT_ACTIONS)
    if not (cell[2] == "pseudonymise" and cell[0][1] in TOOLS | IDS) and not (cell[1] and cell[0][0] == EMBEDDINGS)
]
INPUT_AXES = [(path, name, stream, action) for (path, name, _), stream, action in INPUT_CELLS]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("where", "stream", "action"),
    [
        pytest.param(*cell, marks=marks(taken=taken), id=f"{path}-{name}-{'stream' if stream else 'whole'}-{action}")
        for cell, (path, name, stream, action), taken in zip(INPUT_CELLS, INPUT_AXES, covering(INPUT_AXES), strict=True)
    ],
)
def test_no_channel_of_a_request_goes_unscanned(
    client: httpx.Client, upstream: Upstream, where: tuple[str, str, Json], stream: bool, action: str
) -> None:
    path, name, body = where
    secret = NAMED if name == "tool name" else SECRET
    sending: Json = {"model": action, **body}
    if path == EMBEDDINGS:
        upstream.answer(embedded(body))
    else:
        sending["stream"] = stream
    if stream:
        upstream.stream(*chunks(Said(channel="text", text="fine")))
    answer = client.post(path, json=sending)
    sent = b"".join(upstream.raw).decode()
    found = answer.headers.get("x-splitgate-findings", "")
    if action in {"block", "score"} or (name in NAMES and action != "shadow"):
        assert answer.status_code == 400, name
        assert "splitgate_blocked" in answer.text
        assert not upstream.raw
        # A tool is called by the name that the client itself gave it.
        assert secret not in answer.text or secret == NAMED
    elif action in {"redact", "pseudonymise"}:
        assert answer.status_code == 200, answer.text
        assert SECRET not in sent
        assert SECRET[:9] not in sent
        assert SECRET[9:] not in sent
        assert ("REDACTED" if action == "redact" else "_1>") in sent.replace("\\u003c", "<")
        assert answer.headers["x-splitgate-decision"] in {"redact", "pending"}
        assert "=" in found
    else:
        assert answer.status_code == 200
        assert secret in plain(sent) or (SECRET[:9] in sent and SECRET[9:] in sent)
        assert "~shadow" in found


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the model says, in which channel; a call's arguments are ``text`` in a key or a value."""

    channel: str
    text: str
    choice: int = 0


def message(said: Said) -> Json:
    arguments = {"value": {"q": said.text}, "key": {said.text: 1}, "deep": {"q": [{"r": f"see {said.text}"}]}}
    kind = said.channel.removeprefix("arguments ")
    if kind in arguments:
        call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": json.dumps(arguments[kind])}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if said.channel == "call name":
        call = {"id": "c1", "type": "function", "function": {"name": said.text, "arguments": "{}"}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if said.channel == "escaped arguments":
        text = said.text.replace("A", "\\u0041")
        call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": f'{{"q":"{text}"}}'}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if said.channel == "broken arguments":
        call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": f'{{"q":"{said.text}'}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    field = {"text": "content", "reasoning": "reasoning_content", "refusal": "refusal"}[said.channel]
    return {"role": "assistant", "content": None, field: said.text}


def completion(said: Said) -> Json:
    reason = "tool_calls" if "arguments" in said.channel or "call" in said.channel else "stop"
    first = {"role": "assistant", "content": "first"}
    choices: list[Json] = [{"index": i, "message": first, "finish_reason": "stop"} for i in range(said.choice)]
    choices.append({"index": said.choice, "message": message(said), "finish_reason": reason})
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}


def chunks(said: Said) -> Iterator[Json]:
    """The same as a stream, cut into single characters."""
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: Json, index: int, reason: str | None = None) -> Json:
        return {**head, "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}

    for before in range(said.choice):
        yield chunk({"role": "assistant", "content": "first"}, before)
        yield chunk({}, before, "stop")
    whole = message(said)
    calls = whole.pop("tool_calls", [])
    for field, text in whole.items():
        if field != "role" and text is not None:
            yield from (chunk({field: char}, said.choice) for char in text)
    for call in calls:
        start = {**call, "index": 0, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [start]}, said.choice)
        for char in call["function"]["arguments"]:
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": char}}]}, said.choice)
    yield chunk({}, said.choice, "tool_calls" if calls else "stop")


CHANNELS = (
    "text",
    "reasoning",
    "refusal",
    "arguments value",
    "arguments key",
    "arguments deep",
    "escaped arguments",
    "broken arguments",
    "call name",
)
DOORS = ("/v1/chat/completions", "/v1/split", "/v1/messages", "/v1/responses")
# One door alone knows answers with several choices.
OUTPUT_CELLS = [
    cell
    for cell in product(DOORS, CHANNELS, (False, True), OUTPUT_ACTIONS, (0, 1))
    if cell[0] == "/v1/chat/completions" or not cell[4]
]
# How each door says that an answer was withheld.
WITHHELD = {door: '"refusal"' if door == "/v1/messages" else "content_filter" for door in DOORS}


def asked(path: str, action: str, *, stream: bool, choice: int) -> Json:
    tool: Json = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    if path == "/v1/split":
        return {"model": action, "instructions": "x", "data": "y", "tools": [tool], "stream": stream}
    if path == "/v1/messages":
        custom = {"name": "look", "input_schema": tool["parameters"]}
        messages = [{"role": "user", "content": "x"}]
        more = {"max_tokens": 9, "messages": messages, "data": "y", "tools": [custom], "stream": stream}
        return {"model": action, **more}
    if path == "/v1/responses":
        flat = {"type": "function", **tool}
        return {"model": action, "input": "x", "data": "y", "tools": [flat], "stream": stream}
    body: Json = {
        "model": action,
        "messages": [{"role": "user", "content": "x"}],
        "data": "y",
        "tools": [{"type": "function", "function": tool}],
        "stream": stream,
    }
    return {**body, "n": 2} if choice else body


@pytest.mark.rows
@pytest.mark.parametrize(
    ("path", "channel", "stream", "action", "choice"),
    [
        pytest.param(*cell, marks=marks(taken=taken))
        for cell, taken in zip(OUTPUT_CELLS, covering(OUTPUT_CELLS), strict=True)
    ],
)
def test_no_channel_of_an_answer_goes_unscanned(
    client: httpx.Client, upstream: Upstream, path: str, channel: str, stream: bool, action: str, choice: int
) -> None:
    said = Said(channel=channel, text=SECRET, choice=choice)
    if stream:
        upstream.stream(*chunks(said))
    else:
        upstream.answer(completion(said))
    answer = client.post(path, json=asked(path, action, stream=stream, choice=choice))
    assert answer.status_code in {200, 202}, answer.text
    told = told_of(answer.text, stream=stream)
    if action == "shadow":
        assert SECRET in plain(told)
        return
    assert SECRET not in plain(told)
    if action in {"block", "score"} or channel in {"arguments key", "broken arguments", "call name"}:
        # What cannot be edited, or cannot be read, is refused whatever else was asked for.
        assert WITHHELD[path] in answer.text or "approval" in answer.text
    elif action in {"redact", "window"}:
        assert "REDACTED:" in told
    else:
        assert "approval" in answer.text


def plain(text: str) -> str:
    """``text`` with the one escape that these tests use resolved, however often it was escaped itself."""
    return re.sub(r"\\+u0041", "A", text)


def told_of(text: str, *, stream: bool) -> str:
    """What the client can put together of an answer: a stream's pieces joined field by field."""
    if not stream:
        return text
    fields: dict[str, list[str]] = {}

    def collect(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, held in value.items():  # pyright: ignore[reportUnknownVariableType]
                collect(held, f"{path}.{key}")
        elif isinstance(value, list):
            for held in value:  # pyright: ignore[reportUnknownVariableType]
                collect(held, path)
        elif isinstance(value, str):
            fields.setdefault(path, []).append(value)

    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            collect(json.loads(line.removeprefix("data: ")), "")
    return "\n".join("".join(parts) for parts in fields.values())


@pytest.mark.parametrize("cells", [INPUT_AXES, OUTPUT_CELLS], ids=["requests", "answers"])
def test_in_the_short_form_every_two_values_meet_that_ever_do(cells: Sequence[Sequence[object]]) -> None:
    short = [cell for cell, taken in zip(cells, covering(cells), strict=True) if taken]
    assert set().union(*map(pairs, short)) == set().union(*map(pairs, cells))
    assert {value for cell in short for value in enumerate(cell)} == {one for cell in cells for one in enumerate(cell)}
    assert len(short) < len(cells) / 2


def test_the_matrix_covers_every_action_of_the_engine() -> None:
    # Demotion has tests of its own in test_policies.py: it takes nothing away.
    assert {action.value for action in Action} - {*INPUT_ACTIONS, *OUTPUT_ACTIONS} == {"set_channel"}
