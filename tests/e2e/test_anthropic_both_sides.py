"""Anthropic's SDK in front, Anthropic's API behind: what both sides can say comes through, and data stays data."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx2
import pytest
from anthropic import Anthropic, BadRequestError

Json: TypeAlias = dict[str, Any]
# The SDK's overloads cannot be chosen by arguments that stand in a dict.
Sdk: TypeAlias = Any
RECORDINGS = Path(__file__).parents[1] / "adapters" / "providers" / "recordings" / "anthropic"
PNG = "iVBORw0KGgo="
CACHED: Json = {"type": "ephemeral", "ttl": "1h"}
TOOL: Json = {
    "name": "weather",
    "description": "Weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    "cache_control": CACHED,
}
MODELS = """
models:
  claude:
    min_isolation: channel
    targets: [{{provider: anthropic, base_url: "{url}", model: claude-test-1, format: anthropic-blocks}}]
  chat:
    targets: [{{provider: openai_compatible, base_url: "{url}", model: m, format: tool-envelope}}]
"""


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Script(Protocol):
    content_type: str
    pieces: list[bytes]


class Upstream(Protocol):
    url: str
    script: Script
    bodies: list[Json]
    paths: list[str]
    headers: list[dict[str, str]]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...


@pytest.fixture(scope="module")
def sdk(keep_gateway: Callable[..., Gateway], _upstream_server: Upstream) -> Iterator[Sdk]:
    gateway = keep_gateway(MODELS.format(url=_upstream_server.url))
    http = httpx2.Client(trust_env=False)
    with Anthropic(base_url=gateway.url, api_key="clients-own", http_client=http) as client:
        yield client


def recorded(upstream: Upstream, name: str) -> None:
    stream = RECORDINGS / f"{name}.sse"
    if stream.exists():
        upstream.script.content_type = "text/event-stream"
        upstream.script.pieces = [stream.read_bytes()]
    else:
        upstream.answer(json.loads((RECORDINGS / f"{name}.json").read_text())["answered"]["body"])


def text(words: str, **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_goes_out_under_its_signature_and_back_as_it_came(sdk: Sdk, upstream: Upstream, stream: bool) -> None:
    asked: Json = {
        "model": "claude",
        "max_tokens": 2000,
        "thinking": {"type": "adaptive"},
        "tools": [TOOL, {**TOOL, "name": "now", "cache_control": None}],
        "messages": [{"role": "user", "content": "Is it warm?"}],
    }
    recorded(upstream, "tool-call-stream" if stream else "tool-call")
    if stream:
        with sdk.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = sdk.messages.create(**asked)
    thought, hidden, *_ = message.content
    assert (thought.type, thought.signature, hidden.type) == ("thinking", "c2lnLTE=", "redacted_thinking")
    calls = [block for block in message.content if block.type == "tool_use"]
    assert (message.stop_reason, [call.name for call in calls]) == ("tool_use", ["weather", "now"])
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"planted-result {at}", "is_error": bool(at)}
        for at, call in enumerate(calls)
    ]
    recorded(upstream, "whole")
    content = [block.model_dump(exclude_none=True) for block in message.content]
    turns = [*asked["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    usage = sdk.messages.create(**{**asked, "messages": turns}).usage
    assert (usage.service_tier, usage.cache_creation.ephemeral_1h_input_tokens) == ("standard", 0)
    sent = upstream.bodies[-1]
    said, returned = sent["messages"][1]["content"], sent["messages"][2]["content"]
    assert said[0] == {"type": "thinking", "thinking": thought.thinking, "signature": "c2lnLTE="}
    assert said[1] == {"type": "redacted_thinking", "data": "aGlkZGVu"}
    assert [block["input"] for block in said if block["type"] == "tool_use"] == [call.input for call in calls]
    assert [(block["tool_use_id"], block.get("is_error", False)) for block in returned] == [
        (call.id, bool(at)) for at, call in enumerate(calls)
    ]
    for at, block in enumerate(returned):
        assert json.loads(block["content"][0]["text"])["untrusted_data"]["content"] == f"planted-result {at}"
    assert (sent["thinking"], sent["tools"][0]["cache_control"]) == ({"type": "adaptive"}, CACHED)
    assert all("clients-own" not in headers.values() for headers in upstream.headers)


def test_cache_marks_images_and_documents_reach_the_vendor_in_its_own_words(sdk: Sdk, upstream: Upstream) -> None:
    recorded(upstream, "whole")
    page = {
        "type": "document",
        "title": "planted-title",
        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
    }
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    marked = {"type": "ephemeral"}
    raw = sdk.messages.with_raw_response.create(
        model="claude",
        max_tokens=50,
        system=[text("Be brief.", cache_control=marked)],
        messages=[
            {"role": "user", "content": [text("Look."), page, {**image, "cache_control": {"type": "ephemeral"}}]}
        ],
        extra_body={"top_k": 5},
        stop_sequences=["END"],
    )
    assert raw.headers["x-splitgate-isolation"] == "channel"
    assert "x-splitgate-notes" not in raw.headers
    (sent,) = upstream.bodies
    assert sent["system"] == [text("Be brief.", cache_control={"type": "ephemeral"})]
    assert (sent["top_k"], sent["stop_sequences"]) == (5, ["END"])
    assert sent["messages"][0] == {"role": "user", "content": [text("Look.")]}
    (result,) = sent["messages"][2]["content"]
    assert (result["type"], result["cache_control"]) == ("tool_result", {"type": "ephemeral"})
    assert [block["type"] for block in result["content"]] == ["text", "text", "image"]
    assert result["content"][-1] == image
    assert "planted-title" in result["content"][0]["text"]


def test_what_the_other_side_cannot_say_is_told(sdk: Sdk, upstream: Upstream) -> None:
    upstream.answer(
        {
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        }
    )  # fmt: skip
    raw = sdk.messages.with_raw_response.create(
        model="chat",
        max_tokens=50,
        system=[text("Be brief.", cache_control={"type": "ephemeral"})],
        messages=[{"role": "user", "content": "Look."}],
    )
    assert raw.headers["x-splitgate-notes"] == "cache-marks-left-out"
    with pytest.raises(BadRequestError) as caught:
        sdk.messages.create(
            model="chat", max_tokens=50, messages=[{"role": "user", "content": "x"}], thinking={"type": "adaptive"}
        )
    assert "thinking" in caught.value.message
    assert len(upstream.bodies) == 1


def test_tokens_are_counted_by_the_vendor_of_what_would_be_sent(sdk: Sdk, upstream: Upstream) -> None:
    upstream.answer({"input_tokens": 31})
    asked: Json = {
        "model": "claude",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Sum it up."}],
        "extra_body": {"data": "planted-data"},
    }
    assert sdk.messages.count_tokens(**asked).input_tokens == 31
    assert upstream.paths == ["/v1/messages/count_tokens"]
    counted = upstream.bodies[0]
    assert set(counted) == {"model", "system", "messages", "tools", "tool_choice"}
    recorded(upstream, "whole")
    sdk.messages.create(**asked, max_tokens=50)
    assert {name: upstream.bodies[1][name] for name in counted} == counted


def test_a_count_of_garbage_is_no_count(sdk: Sdk, upstream: Upstream) -> None:
    upstream.answer({"input_tokens": "31"})
    with pytest.raises(Exception, match="not the protocol's"):
        sdk.with_options(max_retries=0).messages.count_tokens(
            model="claude", messages=[{"role": "user", "content": "x"}]
        )
