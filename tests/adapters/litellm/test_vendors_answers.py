"""What comes back from the vendors through the real litellm."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

pytestmark = pytest.mark.xdist_group("litellm")
Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[..., Awaitable[tuple[int, Json]]]
Stream: TypeAlias = Callable[..., Awaitable[Any]]
SAID: list[Json] = [{"role": "user", "content": "Q"}]


async def test_bedrocks_calls_reasoning_and_endings_come_back(
    ask: Ask, vendor: Any, shapes: Any, weather: Json
) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "S"}}}
    call = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"place": "Rome"}}}
    vendor.answer(shapes.bedrock(thought, {"text": "I look."}, call, stop="tool_use"))
    _, answer = await ask({"model": "claude", "messages": SAID, "tools": [weather]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("I look.", "Hm.")
    assert choice["message"]["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Rome"}'}}
    ]
    for word, ending in (("max_tokens", "length"), ("guardrail_intervened", "content_filter")):
        vendor.answer(shapes.bedrock({"text": "a"}, stop=word))
        _, answer = await ask({"model": "claude", "messages": SAID})
        assert answer["choices"][0]["finish_reason"] == ending


async def test_geminis_calls_thoughts_and_endings_come_back(ask: Ask, vendor: Any, shapes: Any, weather: Json) -> None:
    call = {"functionCall": {"name": "weather", "args": {"place": "Rome"}}, "thoughtSignature": "U0lH" * 40}
    vendor.answer(shapes.gemini({"text": "Hm.", "thought": True}, {"text": "I look."}, call))
    _, answer = await ask({"model": "gemini", "messages": SAID, "tools": [weather]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("I look.", "Hm.")
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"place": "Rome"}
    # An id that a client can send back, without the vendor's signature in it.
    assert len(choice["message"]["tool_calls"][0]["id"]) <= 64
    for word, ending in (("MAX_TOKENS", "length"), ("SAFETY", "content_filter")):
        vendor.answer(shapes.gemini({"text": "a"}, finish=word))
        _, answer = await ask({"model": "gemini", "messages": SAID})
        assert answer["choices"][0]["finish_reason"] == ending


async def test_coheres_text_beside_calls_and_its_endings_are_not_lost(
    ask: Ask, vendor: Any, shapes: Any, weather: Json
) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Rome"}'}}
    text = {"type": "text", "text": "I look."}
    vendor.answer(shapes.cohere(text, finish="TOOL_CALL", tool_calls=[call], tool_plan="Look first."))
    _, answer = await ask({"model": "cohere", "messages": SAID, "tools": [weather]})
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant", "content": "I look.", "reasoning_content": "Look first.", "tool_calls": [call],
    }  # fmt: skip
    vendor.answer(shapes.cohere(text, finish="MAX_TOKENS"))
    _, answer = await ask({"model": "cohere", "messages": SAID})
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_bedrocks_stream_is_told_as_it_comes(
    stream: Stream, vendor: Any, shapes: Any, bedrock_stream: list[bytes], weather: Json
) -> None:
    vendor.stream(shapes.events, *bedrock_stream)
    told = await stream({"model": "claude", "messages": SAID, "tools": [weather]})
    assert (told.reasoning, told.text, told.endings) == ("Hm.", "Hello", ["tool_calls"])
    assert told.calls == [("weather", '{"place":"Rome"}')]
    assert (told.usage, told.last) == ([(9, 4)], "data: [DONE]")
    assert vendor.calls[0].path.endswith("/converse-stream")


async def test_geminis_stream_is_told_as_it_comes(stream: Stream, vendor: Any, shapes: Any, weather: Json) -> None:
    call = {"functionCall": {"name": "weather", "args": {"place": "Rome"}}}
    parts = [{"text": "Hm.", "thought": True}, {"text": "Hel"}, {"text": "lo"}, call]
    pieces = [shapes.data(shapes.gemini(part, finish=None)) for part in parts]
    vendor.stream(shapes.sse, *pieces, shapes.data(shapes.gemini({"text": ""})))
    told = await stream({"model": "gemini", "messages": SAID, "tools": [weather]})
    assert (told.reasoning, told.text, told.endings) == ("Hm.", "Hello", ["tool_calls"])
    assert [(name, json.loads(arguments)) for name, arguments in told.calls] == [("weather", {"place": "Rome"})]
    assert (told.usage, told.last) == ([(9, 4)], "data: [DONE]")
    assert vendor.calls[0].path == "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"


async def test_cohere_is_asked_for_a_whole_answer_and_told_as_a_stream(
    stream: Stream, vendor: Any, shapes: Any, weather: Json
) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    vendor.answer(shapes.cohere({"type": "text", "text": "I look."}, finish="TOOL_CALL", tool_calls=[call]))
    told = await stream({"model": "cohere", "messages": SAID, "tools": [weather]})
    assert (told.text, told.calls, told.endings) == ("I look.", [("weather", "{}")], ["tool_calls"])
    assert (told.usage, told.last) == ([(9, 4)], "data: [DONE]")
    assert "stream" not in vendor.body


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("model", ["claude", "gemini"])
async def test_a_stream_that_breaks_off_has_no_ending(
    stream: Stream, vendor: Any, shapes: Any, bedrock_stream: list[bytes], model: str, *, cut: bool
) -> None:
    if model == "claude":
        vendor.stream(shapes.events, *bedrock_stream[:5], cut=cut)
    else:
        vendor.stream(shapes.sse, shapes.data(shapes.gemini({"text": "Hello"}, finish=None)), cut=cut)
    told = await stream({"model": model, "messages": SAID})
    assert (told.text, told.calls, told.endings) == ("Hello", [], [])
    assert told.last.startswith("event: error\ndata: ")


async def test_words_of_an_answer_that_look_like_an_ending_are_none(stream: Stream, vendor: Any, shapes: Any) -> None:
    text = 'x,"finishReason":"STOP" \n\ndata: [DONE]\n\n'
    vendor.stream(shapes.sse, shapes.data(shapes.gemini({"text": text}, finish=None)))
    told = await stream({"model": "gemini", "messages": SAID})
    assert (told.text, told.endings) == (text, [])
    assert told.last.startswith("event: error")


async def test_embeddings_come_one_for_each_input(ask: Ask, vendor: Any) -> None:
    vendor.answer({"embeddings": [{"values": [0.5]}, {"values": [0.25]}]})
    status, answer = await ask({"model": "gemini", "input": ["a", "b"]}, "/v1/embeddings")
    assert status == 200, answer
    assert [one["embedding"] for one in answer["data"]] == [[0.5], [0.25]]
    vendor.clear()
    vendor.answer({"embedding": [0.5], "inputTextTokenCount": 1})
    status, answer = await ask({"model": "titan", "input": ["a", "b"]}, "/v1/embeddings")
    assert (status, len(answer["data"])) == (200, 2)
    assert sorted(call.body["inputText"] for call in vendor.calls) == ["a", "b"]
    assert vendor.calls[0].path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
