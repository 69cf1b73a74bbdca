"""The real litellm in its real process, against vendors' servers on loopback."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiohttp
import pytest

pytestmark = pytest.mark.xdist_group("litellm")
CHAT = "/v1/chat/completions"
Json: TypeAlias = dict[str, Any]


class Process(Protocol):
    process: "subprocess.Popen[bytes]"
    path: str
    log: Path


Launch = Callable[..., Process]


@pytest.fixture
async def client(child: Process) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(child.path)) as session:
        yield session


class Asked(Protocol):
    status: int
    headers: dict[str, str]
    body: Any


async def ask(client: aiohttp.ClientSession, body: Json, path: str = CHAT) -> tuple[int, Json]:
    async with client.post(path, json=body) as answer:
        return answer.status, await answer.json()


async def stream(client: aiohttp.ClientSession, body: Json) -> tuple[list[Json], str]:
    """The chunks of a stream, and what came last."""
    async with client.post(CHAT, json={**body, "stream": True}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["content-type"] == "text/event-stream"
        events = [part for part in (await answer.text()).split("\n\n") if part]
    last = events[-1]
    return [json.loads(one.removeprefix("data: ")) for one in events[:-1]], last


def told(chunks: list[Json]) -> tuple[str, str, list[tuple[str, str]], list[str]]:
    """Reasoning, text, calls with their arguments, and endings in a stream."""
    reasoning, text, calls, endings = "", "", dict[int, list[str]](), list[str]()
    for choice in [choice for chunk in chunks for choice in chunk["choices"]]:
        delta = choice["delta"]
        reasoning += delta.get("reasoning_content") or ""
        text += delta.get("content") or ""
        for call in delta.get("tool_calls", []):
            named = calls.setdefault(call["index"], ["", ""])
            named[0] += call["function"].get("name", "")
            named[1] += call["function"].get("arguments", "")
        endings += [choice["finish_reason"]] if choice["finish_reason"] else []
    return reasoning, text, [(name, arguments) for name, arguments in calls.values()], endings


WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Says how the weather is.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string", "description": "Where."}}},
    },
}


# --- what reaches the vendors ---------------------------------------------------------------------------------------


async def test_bedrock_gets_data_as_a_tools_result_and_instructions_as_system(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, conversation: Json, envelope: str
) -> None:
    vendor.answer(shapes.bedrock({"text": "Kurz."}, cacheReadInputTokens=2, totalTokens=15))
    status, answer = await ask(client, {"model": "claude", **conversation, "temperature": 0.5, "max_tokens": 50})
    assert status == 200
    assert vendor.calls[0].path == "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert vendor.calls[0].headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=planted-vendor-key/")
    sent = vendor.body
    assert sent["system"] == [{"text": "Answer in German."}]
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][0]["content"] == [{"text": "Summarise the mail."}]
    assert sent["messages"][1]["content"] == [
        {"toolUse": {"toolUseId": "sgdata001", "name": "read_untrusted_data", "input": {}}}
    ]
    assert sent["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "sgdata001", "content": [{"text": envelope}]}}
    ]
    assert sent["inferenceConfig"] == {"temperature": 0.5, "maxTokens": 50}
    assert sent["toolConfig"]["tools"][0]["toolSpec"]["name"] == "read_untrusted_data"
    assert answer["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Kurz."}, "finish_reason": "stop", "logprobs": None}
    ]
    assert answer["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 4,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def test_gemini_gets_data_as_a_function_response_in_its_exact_text(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, conversation: Json, envelope: str
) -> None:
    vendor.answer(shapes.gemini({"text": "Kurz."}))
    status, answer = await ask(client, {"model": "gemini", **conversation, "temperature": 0.5, "top_k": 5})
    assert status == 200
    assert vendor.calls[0].path == "/models/gemini-2.5-pro:generateContent"
    assert vendor.calls[0].headers["x-goog-api-key"] == "planted-vendor-key"
    sent = vendor.body
    assert sent["system_instruction"] == {"parts": [{"text": "Answer in German."}]}
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "Summarise the mail."}]},
        {"role": "model", "parts": [{"function_call": {"name": "read_untrusted_data", "args": {}}}]},
        {
            "role": "user",
            "parts": [{"function_response": {"name": "read_untrusted_data", "response": {"content": envelope}}}],
        },
    ]
    assert sent["generationConfig"] == {"temperature": 0.5, "top_k": 5}
    assert sent["tools"][0]["function_declarations"][0]["name"] == "read_untrusted_data"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Kurz."}
    assert answer["usage"]["prompt_tokens"] == 9


async def test_cohere_gets_data_as_a_tools_message(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, conversation: Json
) -> None:
    vendor.answer(shapes.cohere({"type": "text", "text": "Kurz."}))
    status, answer = await ask(client, {"model": "cohere", **conversation, "stop": ["END"], "top_p": 0.5})
    assert status == 200
    assert vendor.calls[0].path == "/v2/chat"
    assert vendor.calls[0].headers["authorization"] == "Bearer planted-vendor-key"
    expected = [{key: held for key, held in one.items() if held is not None} for one in conversation["messages"]]
    assert vendor.body["messages"] == expected
    assert vendor.body["stop_sequences"] == ["END"]
    assert vendor.body["p"] == 0.5
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Kurz."}
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_a_vendor_that_speaks_openais_protocol_gets_it_as_it_is(
    client: aiohttp.ClientSession, vendor: Any, conversation: Json
) -> None:
    message = {"role": "assistant", "content": "Kurz."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    vendor.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    status, answer = await ask(client, {"model": "openai", **conversation, "seed": 7})
    assert status == 200, answer
    assert answer["choices"][0]["message"] == message
    assert vendor.body["messages"] == conversation["messages"]
    assert vendor.body["seed"] == 7


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize("model", ["claude", "gemini"])
async def test_images_and_a_whole_conversation_arrive(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, model: str
) -> None:
    vendor.answer(shapes.gemini({"text": "a"}) if model == "gemini" else shapes.bedrock({"text": "a"}))
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"place": place})}}
        for n, place in enumerate(["Rome", "Oslo"])
    ]
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
        {"role": "user", "content": [{"type": "text", "text": "Look."}, picture]},
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": "warm"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "cold"}]},
        {"role": "user", "content": "And now?"},
    ]
    status, _ = await ask(client, {"model": model, "messages": messages, "tools": [WEATHER]})
    assert status == 200
    raw = json.dumps(vendor.body)
    for text in ("One.", "Two.", "Look.", PNG, "I look.", "Rome", "Oslo", "warm", "cold", "And now?"):
        assert text in raw


# --- what is lost on the way is refused -----------------------------------------------------------------------------

SAID: list[Json] = [{"role": "user", "content": "Q"}]


def tooled(**more: object) -> Json:
    return {"tools": [WEATHER], **more}


def between(*messages: Json) -> Json:
    return {"messages": [*SAID, *messages, {"role": "user", "content": "Go on."}]}


CALLED = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
RETURNED = {"role": "tool", "tool_call_id": "c", "content": "a result of a tool's"}
FORM = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        # litellm says of these itself that it cannot.
        ("claude", {"logit_bias": {"1": 2}}, "logit_bias"),
        ("claude", {"seed": 7}, "seed"),
        ("claude", {"n": 2}, "n"),
        ("claude", tooled(tool_choice="none"), "tool_choice"),
        ("gemini", {"verbosity": "low"}, "verbosity"),
        ("cohere", {"response_format": {"type": "json_object"}}, "response_format"),
        # These it leaves out without a word.
        ("claude", {"user": "u-1"}, "user"),
        ("claude", {"response_format": {"type": "json_object"}}, "response_format"),
        ("nova", {"response_format": FORM}, "response_format"),
        ("nova", tooled(parallel_tool_calls=False), "parallel_tool_calls"),
        ("gemini", tooled(parallel_tool_calls=False), "parallel_tool_calls"),
        ("gemini", {"user": "u-1"}, "user"),
        ("openai", {"user": "u-1"}, "user"),
        ("gemini-3", {"frequency_penalty": 0.3}, "frequency_penalty"),
        ("cohere", tooled(tool_choice="required"), "tool_choice"),
        ("claude", between({"role": "assistant", "content": None, "refusal": "I will not."}), "messages[1].refusal"),
        ("gemini", between({"role": "assistant", "content": None, "refusal": "I will not."}), "messages[1].refusal"),
        ("claude", between({"role": "assistant", "content": "A.", "reasoning_content": "Hm."}), "messages[1].reasoning_content"),
        ("claude", {"messages": [{"role": "user", "content": "Q", "name": "bob"}]}, "messages[0].name"),
        ("nova", {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]}, "tools[0].function.strict"),
        # These it moves into the user's text.
        ("claude", between({"role": "system", "content": "From now on in Latin."}), "messages[1].content"),
        ("claude", between(CALLED, RETURNED), "tools"),
        ("nova", between(CALLED, RETURNED), "tools"),
    ],
)  # fmt: skip
async def test_what_cannot_be_said_is_refused_by_name_and_nothing_is_sent(
    client: aiohttp.ClientSession, vendor: Any, model: str, more: Json, param: str
) -> None:
    status, answer = await ask(client, {"model": model, "messages": SAID, **more})
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "not_sayable", param)
    assert vendor.calls == []


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("claude", {"n": 1, "top_p": 0.5, "stop": "END", "max_completion_tokens": 9, "reasoning_effort": "low"}),
        ("claude", tooled(tool_choice="required", parallel_tool_calls=False)),
        ("claude", {"response_format": FORM, "top_k": 4}),
        ("claude", tooled(**between(CALLED, RETURNED))),
        ("nova", tooled(tool_choice="auto", parallel_tool_calls=True)),
        ("gemini", {"n": 2, "seed": 7, "logprobs": True, "frequency_penalty": 0.3, "reasoning_effort": "low"}),
        ("gemini", tooled(tool_choice={"type": "function", "function": {"name": "weather"}})),
        ("gemini", {"response_format": FORM, "stop": ["A", "B"], "service_tier": "flex"}),
        ("gemini", between({"role": "assistant", "content": "A.", "reasoning_content": "Hm."})),
        ("gemini", between({"role": "system", "content": "From now on in Latin."})),
        ("gemini-3", tooled(**between(CALLED, RETURNED))),
    ],
)
async def test_what_can_be_said_is_sent(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, model: str, more: Json
) -> None:
    vendor.answer(shapes.gemini({"text": "a"}) if "gemini" in model else shapes.bedrock({"text": "a"}))
    status, answer = await ask(client, {"model": model, "messages": SAID, **more})
    assert status == 200, answer
    assert len(vendor.calls) == 1


# --- answers --------------------------------------------------------------------------------------------------------


async def test_bedrocks_calls_reasoning_and_endings_come_back(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "S"}}}
    call = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"place": "Rome"}}}
    vendor.answer(shapes.bedrock(thought, {"text": "I look."}, call, stop="tool_use"))
    _, answer = await ask(client, {"model": "claude", "messages": SAID, "tools": [WEATHER]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("I look.", "Hm.")
    assert choice["message"]["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Rome"}'}}
    ]
    for word, ending in (("max_tokens", "length"), ("guardrail_intervened", "content_filter")):
        vendor.answer(shapes.bedrock({"text": "a"}, stop=word))
        _, answer = await ask(client, {"model": "claude", "messages": SAID})
        assert answer["choices"][0]["finish_reason"] == ending


async def test_geminis_calls_thoughts_and_endings_come_back(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    call = {"functionCall": {"name": "weather", "args": {"place": "Rome"}}, "thoughtSignature": "U0lH" * 40}
    vendor.answer(shapes.gemini({"text": "Hm.", "thought": True}, {"text": "I look."}, call))
    _, answer = await ask(client, {"model": "gemini", "messages": SAID, "tools": [WEATHER]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("I look.", "Hm.")
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"place": "Rome"}
    # An id that a client can send back, without the vendor's signature in it.
    assert len(choice["message"]["tool_calls"][0]["id"]) <= 64
    for word, ending in (("MAX_TOKENS", "length"), ("SAFETY", "content_filter")):
        vendor.answer(shapes.gemini({"text": "a"}, finish=word))
        _, answer = await ask(client, {"model": "gemini", "messages": SAID})
        assert answer["choices"][0]["finish_reason"] == ending


async def test_coheres_text_beside_calls_and_its_endings_are_not_lost(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Rome"}'}}
    text = {"type": "text", "text": "I look."}
    vendor.answer(shapes.cohere(text, finish="TOOL_CALL", tool_calls=[call], tool_plan="Look first."))
    _, answer = await ask(client, {"model": "cohere", "messages": SAID, "tools": [WEATHER]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant", "content": "I look.", "reasoning_content": "Look first.", "tool_calls": [call],
    }  # fmt: skip
    vendor.answer(shapes.cohere(text, finish="MAX_TOKENS"))
    _, answer = await ask(client, {"model": "cohere", "messages": SAID})
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_bedrocks_stream_is_told_as_it_comes(client: aiohttp.ClientSession, vendor: Any, shapes: Any) -> None:
    vendor.stream(shapes.events, *bedrock_stream(shapes))
    chunks, last = await stream(client, {"model": "claude", "messages": SAID, "tools": [WEATHER]})
    assert told(chunks) == ("Hm.", "Hello", [("weather", '{"place":"Rome"}')], ["tool_calls"])
    assert last == "data: [DONE]"
    assert vendor.calls[0].path.endswith("/converse-stream")
    usage = [chunk["usage"] for chunk in chunks if "usage" in chunk]
    assert [(one["prompt_tokens"], one["completion_tokens"]) for one in usage] == [(9, 4)]


def bedrock_stream(shapes: Any) -> list[bytes]:
    def delta(block: int, **held: Any) -> bytes:
        return shapes.bedrock_event("contentBlockDelta", {"contentBlockIndex": block, "delta": held})

    return [
        shapes.bedrock_event("messageStart", {"role": "assistant"}),
        delta(0, reasoningContent={"text": "Hm."}),
        shapes.bedrock_event("contentBlockStop", {"contentBlockIndex": 0}),
        delta(1, text="Hel"),
        delta(1, text="lo"),
        shapes.bedrock_event("contentBlockStop", {"contentBlockIndex": 1}),
        shapes.bedrock_event(
            "contentBlockStart",
            {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}},
        ),
        delta(2, toolUse={"input": '{"place":'}),
        delta(2, toolUse={"input": '"Rome"}'}),
        shapes.bedrock_event("contentBlockStop", {"contentBlockIndex": 2}),
        shapes.bedrock_event("messageStop", {"stopReason": "tool_use"}),
        shapes.bedrock_event(
            "metadata",
            {"usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}, "metrics": {"latencyMs": 1}},
        ),
    ]


async def test_geminis_stream_is_told_as_it_comes(client: aiohttp.ClientSession, vendor: Any, shapes: Any) -> None:
    call = {"functionCall": {"name": "weather", "args": {"place": "Rome"}}}
    parts = [{"text": "Hm.", "thought": True}, {"text": "Hel"}, {"text": "lo"}, call]
    pieces = [shapes.data(shapes.gemini(part, finish=None)) for part in parts]
    vendor.stream(shapes.sse, *pieces, shapes.data(shapes.gemini({"text": ""})))
    chunks, last = await stream(client, {"model": "gemini", "messages": SAID, "tools": [WEATHER]})
    reasoning, text, calls, endings = told(chunks)
    assert (reasoning, text, endings) == ("Hm.", "Hello", ["tool_calls"])
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [("weather", {"place": "Rome"})]
    assert last == "data: [DONE]"
    assert vendor.calls[0].path == "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"


async def test_cohere_is_asked_for_a_whole_answer_and_told_as_a_stream(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    vendor.answer(shapes.cohere({"type": "text", "text": "I look."}, finish="TOOL_CALL", tool_calls=[call]))
    chunks, last = await stream(client, {"model": "cohere", "messages": SAID, "tools": [WEATHER]})
    assert told(chunks) == ("", "I look.", [("weather", "{}")], ["tool_calls"])
    assert (chunks[-1]["usage"]["prompt_tokens"], last) == (9, "data: [DONE]")
    assert "stream" not in vendor.body


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("model", ["claude", "gemini"])
async def test_a_stream_that_breaks_off_has_no_ending(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any, model: str, *, cut: bool
) -> None:
    if model == "claude":
        vendor.stream(shapes.events, *bedrock_stream(shapes)[:5], cut=cut)
    else:
        vendor.stream(shapes.sse, shapes.data(shapes.gemini({"text": "Hello"}, finish=None)), cut=cut)
    chunks, last = await stream(client, {"model": model, "messages": SAID})
    assert told(chunks)[1:] == ("Hello", [], [])
    assert last.startswith("event: error\ndata: ")
    assert "[DONE]" not in last


async def test_words_of_an_answer_that_look_like_an_ending_are_none(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    text = 'x,"finishReason":"STOP" \n\ndata: [DONE]\n\n'
    vendor.stream(shapes.sse, shapes.data(shapes.gemini({"text": text}, finish=None)))
    chunks, last = await stream(client, {"model": "gemini", "messages": SAID})
    assert told(chunks) == ("", text, [], [])
    assert last.startswith("event: error")


async def test_embeddings_come_one_for_each_input(client: aiohttp.ClientSession, vendor: Any) -> None:
    vendor.answer({"embeddings": [{"values": [0.5]}, {"values": [0.25]}]})
    status, answer = await ask(client, {"model": "gemini", "input": ["a", "b"]}, "/v1/embeddings")
    assert status == 200, answer
    assert [one["embedding"] for one in answer["data"]] == [[0.5], [0.25]]
    vendor.clear()
    vendor.answer({"embedding": [0.5], "inputTextTokenCount": 1})
    status, answer = await ask(client, {"model": "titan", "input": ["a", "b"]}, "/v1/embeddings")
    assert (status, len(answer["data"])) == (200, 2)
    assert sorted(call.body["inputText"] for call in vendor.calls) == ["a", "b"]
    assert vendor.calls[0].path == "/model/amazon.titan-embed-text-v2%3A0/invoke"


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "body", "headers", "expected", "code"),
    [
        ("claude", 400, {"message": "planted prompt"}, {"x_amzn_errortype": "ValidationException:"}, 400, "ValidationException"),
        ("claude", 400, {"message": "Input is too long for requested model."}, {}, 400, "context_length_exceeded"),
        ("claude", 403, {"message": "planted"}, {"x_amzn_errortype": "AccessDeniedException"}, 403, "AccessDeniedException"),
        ("claude", 404, {"message": "planted"}, {}, 404, "vendor_refused"),
        ("claude", 413, {"message": "planted"}, {}, 413, "vendor_refused"),
        ("claude", 424, {"message": "planted"}, {"x_amzn_errortype": "ModelErrorException"}, 400, "ModelErrorException"),
        ("claude", 500, {"message": "planted"}, {}, 500, "vendor_refused"),
        ("gemini", 400, {"error": {"code": 400, "message": "planted", "status": "INVALID_ARGUMENT"}}, {}, 400, "INVALID_ARGUMENT"),
        ("gemini", 401, {"error": {"code": 401, "message": "planted", "status": "UNAUTHENTICATED"}}, {}, 401, "UNAUTHENTICATED"),
        ("gemini", 408, {"error": {"message": "planted"}}, {}, 408, "vendor_refused"),
        ("gemini", 503, {"error": {"message": "planted", "status": "UNAVAILABLE"}}, {}, 503, "UNAVAILABLE"),
        ("gemini", 400, b"<html>planted", {}, 400, "vendor_refused"),
        ("cohere", 422, {"message": "planted"}, {}, 422, "vendor_refused"),
        ("cohere", 504, {"message": "planted"}, {}, 504, "vendor_refused"),
        ("gemini", 302, b"", {"location": "http://127.0.0.1:9/planted"}, 502, "redirected"),
    ],
)  # fmt: skip
async def test_a_vendors_refusal_is_told_by_its_status_and_its_word_alone(
    client: aiohttp.ClientSession, vendor: Any, model: str, status: int, body: Any, headers: dict[str, str],
    expected: int, code: str, *, streamed: bool,
) -> None:  # fmt: skip
    vendor.answer(body, status, **headers)
    got, answer = await ask(client, {"model": model, "messages": SAID, "stream": streamed})
    assert (got, answer["error"]["code"]) == (expected, code)
    assert "planted" not in json.dumps(answer)
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["claude", "gemini", "cohere"])
async def test_when_to_try_again_is_passed_on(
    client: aiohttp.ClientSession, vendor: Any, model: str, *, streamed: bool
) -> None:
    vendor.answer({"message": "planted"}, 429, retry_after="7")
    async with client.post(CHAT, json={"model": model, "messages": SAID, "stream": streamed}) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert len(vendor.calls) == 1


async def test_an_error_in_mid_stream_is_told_without_the_vendors_words(
    client: aiohttp.ClientSession, vendor: Any, shapes: Any
) -> None:
    trouble = shapes.bedrock_event("throttlingException", {"message": "planted"}, "exception")
    vendor.stream(shapes.events, *bedrock_stream(shapes)[:4], trouble)
    chunks, last = await stream(client, {"model": "claude", "messages": SAID})
    assert told(chunks)[1] == "Hel"
    assert last.startswith("event: error")
    assert "planted" not in last


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("body", [b"", b"<html>planted", b"[]", b'{"a": 1}', b'data: {"planted\n\n'])
@pytest.mark.parametrize("model", ["claude", "gemini", "cohere"])
async def test_garbage_is_no_answer(
    client: aiohttp.ClientSession, vendor: Any, model: str, body: bytes, *, streamed: bool
) -> None:
    vendor.answer(body)
    async with client.post(CHAT, json={"model": model, "messages": SAID, "stream": streamed}) as answer:
        text = await answer.text()
    assert "planted" not in text
    assert answer.status == 502 or (answer.status == 200 and "event: error" in text and "[DONE]" not in text)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nobody", 500, "unknown_vendor"),
        ("keyless", 401, "credential_missing"),
        ("far", 502, "vendor_unreachable"),
        ("planted", 404, "model_not_found"),
    ],
)
async def test_what_never_gets_to_a_vendor_says_why(
    client: aiohttp.ClientSession, vendor: Any, model: str, status: int, code: str
) -> None:
    got, answer = await ask(client, {"model": model, "messages": SAID})
    assert (got, answer["error"]["code"]) == (status, code)
    assert "planted" not in json.dumps(answer)
    assert vendor.calls == []


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["claude", "gemini", "cohere"])
async def test_the_vendor_is_hung_up_on_when_the_client_goes_away(
    client: aiohttp.ClientSession, vendor: Any, model: str, *, streamed: bool
) -> None:
    vendor.hold = True

    async def talk() -> None:
        async with client.post(CHAT, json={"model": model, "messages": SAID, "stream": streamed}) as answer:
            await answer.read()

    talking = asyncio.create_task(talk())
    assert await asyncio.to_thread(vendor.entered.acquire, timeout=20)
    talking.cancel()
    assert await asyncio.to_thread(vendor.gone.wait, 10)
    await asyncio.gather(talking, return_exceptions=True)


# --- the process ----------------------------------------------------------------------------------------------------


async def test_it_holds_its_targets_credentials_and_nothing_else_where_others_can_look(
    client: aiohttp.ClientSession, child: Process, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.gemini({"text": "a"}))
    assert (await ask(client, {"model": "gemini", "messages": SAID}))[0] == 200
    proc = Path(f"/proc/{child.process.pid}")
    environ = dict(one.split(b"=", 1) for one in (proc / "environ").read_bytes().split(b"\0") if one)
    assert b"planted" not in (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()
    ours = {
        b"PATH",
        b"PYTHONPATH",
        b"PYTHONHOME",
        b"PYTHONDONTWRITEBYTECODE",
        b"VIRTUAL_ENV",
        b"TMPDIR",
        b"LANG",
        b"LC_ALL",
    }
    ours |= {b"LC_CTYPE", b"SSL_CERT_FILE", b"SSL_CERT_DIR", b"HOME", b"NETRC", b"HF_HUB_OFFLINE"}
    ours |= {
        b"REPEATED_STREAMING_CHUNK_LIMIT",
        b"AIOHTTP_KEEPALIVE_TIMEOUT",
        b"AWS_CONFIG_FILE",
        b"AWS_SHARED_CREDENTIALS_FILE",
        b"AWS_EC2_METADATA_DISABLED",
    }
    assert {name for name in environ if not name.startswith(b"LITELLM_")} <= ours
    assert environ[b"LITELLM_LOCAL_MODEL_COST_MAP"] == b"True"


async def test_it_writes_nothing_and_listens_on_no_port(
    client: aiohttp.ClientSession, child: Process, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.bedrock({"text": "planted answer"}))
    assert (await ask(client, {"model": "claude", "messages": [{"role": "user", "content": "planted"}]}))[0] == 200
    assert child.log.read_bytes() == b""
    assert listening(child.process.pid) == set()


def listening(pid: int) -> set[str]:
    own = {str(entry.readlink())[8:-1] for entry in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:] for family in ("tcp", "tcp6")]
    return own & {line.split()[9] for table in tables for line in table if line.split()[3] == "0A"}


async def test_it_says_that_it_is_well(client: aiohttp.ClientSession) -> None:
    async with client.get("/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


def test_it_serves_while_it_loads_and_sigterm_ends_it_in_mid_call(launch: Launch, vendor: Any) -> None:
    vendor.hold = True
    child = launch()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(child.path)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 503")
        payload = json.dumps({"model": "gemini", "messages": SAID}).encode()
        client.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(payload), payload)
        )
        assert vendor.entered.acquire(timeout=60)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(10) == 0
    assert vendor.gone.wait(10)
    assert child.log.read_bytes() == b""


@pytest.mark.parametrize("told", [b"", b"planted", b"[]", b'[{"id": "planted"}]'])
def test_without_targets_it_ends_with_a_word(launch: Launch, told: bytes) -> None:
    child = launch(told=told)
    assert child.process.wait(30) == 1
    assert child.log.read_text() == (
        "splitgate: the litellm process is told its targets by the supervisor: start it with `splitgate serve`\n"
    )


def test_it_ends_when_its_parent_has_ended(tmp_path: Path) -> None:
    parent = """
import json, os, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen()
near, far = os.pipe()
target = dict(id="a", model="a/b", embeddings="a/b", address=None, credentials={}, fields=[])
os.write(far, json.dumps([target]).encode()); os.close(far)
command = [sys.executable, "-m", "adapters.litellm", "--fd", str(listener.fileno()), "--config-fd", str(near)]
child = subprocess.Popen(command, pass_fds=[listener.fileno(), near], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1]); client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); client.recv(1)
"""
    import sys

    command = [sys.executable, "-c", parent, str(tmp_path / "l.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ))
    process = Path(f"/proc/{int(done.stdout)}")
    end = time.monotonic() + 20
    while process.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
