"""What a client is told when a vendor refuses, fails, or says what nobody can read."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import pytest

pytestmark = pytest.mark.xdist_group("litellm")
Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[..., Awaitable[tuple[int, Json]]]
Stream: TypeAlias = Callable[..., Awaitable[Any]]
SAID: list[Json] = [{"role": "user", "content": "Q"}]
CHAT = "/v1/chat/completions"


def aws(word: str) -> Json:
    """The header in which Amazon names an error."""
    return {"x_amzn_errortype": word}


def google(word: str) -> Json:
    """The body in which Google names an error."""
    return {"error": {"code": 400, "message": "planted", "status": word}}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "body", "headers", "expected", "code"),
    [
        ("claude", 400, {"message": "planted"}, aws("ValidationException:"), 400, "ValidationException"),
        ("claude", 400, {"message": "Input is too long for requested model."}, {}, 400, "context_length_exceeded"),
        ("claude", 403, {"message": "planted"}, aws("AccessDeniedException"), 403, "AccessDeniedException"),
        ("claude", 404, {"message": "planted"}, {}, 404, "vendor_refused"),
        ("claude", 413, {"message": "planted"}, {}, 413, "vendor_refused"),
        ("claude", 424, {"message": "planted"}, aws("ModelErrorException"), 400, "ModelErrorException"),
        ("claude", 500, {"message": "planted"}, {}, 500, "vendor_refused"),
        ("gemini", 400, google("INVALID_ARGUMENT"), {}, 400, "INVALID_ARGUMENT"),
        ("gemini", 401, google("UNAUTHENTICATED"), {}, 401, "UNAUTHENTICATED"),
        ("gemini", 408, {"error": {"message": "planted"}}, {}, 408, "vendor_refused"),
        ("gemini", 503, google("UNAVAILABLE"), {}, 503, "UNAVAILABLE"),
        ("gemini", 400, b"<html>planted", {}, 400, "vendor_refused"),
        ("cohere", 422, {"message": "planted"}, {}, 422, "vendor_refused"),
        ("cohere", 504, {"message": "planted"}, {}, 504, "vendor_refused"),
        ("gemini", 302, b"", {"location": "http://127.0.0.1:9/planted"}, 502, "redirected"),
    ],
)  # fmt: skip
async def test_a_vendors_refusal_is_told_by_its_status_and_its_word_alone(
    ask: Ask, vendor: Any, model: str, status: int, body: Any, headers: dict[str, str],
    expected: int, code: str, *, streamed: bool,
) -> None:  # fmt: skip
    vendor.answer(body, status, **headers)
    got, answer = await ask({"model": model, "messages": SAID, "stream": streamed})
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
    stream: Stream, vendor: Any, shapes: Any, bedrock_stream: list[bytes]
) -> None:
    trouble = shapes.bedrock_event("throttlingException", {"message": "planted"}, "exception")
    vendor.stream(shapes.events, *bedrock_stream[:4], trouble)
    told = await stream({"model": "claude", "messages": SAID})
    assert (told.text, told.endings) == ("Hel", [])
    assert told.last.startswith("event: error")
    assert "planted" not in told.last


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
async def test_what_never_gets_to_a_vendor_says_why(ask: Ask, vendor: Any, model: str, status: int, code: str) -> None:
    got, answer = await ask({"model": model, "messages": SAID})
    assert (got, answer["error"]["code"]) == (status, code)
    assert "planted" not in json.dumps(answer)
    assert vendor.calls == []


@pytest.mark.parametrize("model", ["claude", "gemini", "cohere"])
async def test_a_call_whose_connection_broke_after_it_was_written_is_made_once_and_says_so(
    ask: Ask, vendor: Any, model: str
) -> None:
    vendor.drop = True
    got, answer = await ask({"model": model, "messages": SAID})
    assert (got, answer["error"]["code"]) == (502, "vendor_broke_off")
    assert len(vendor.calls) == 1


async def test_an_answer_to_a_call_that_went_past_the_gate_is_refused(ask: Ask, vendor: Any) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "planted"}, "finish_reason": "stop"}
    vendor.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    status, answer = await ask({"model": "past", "messages": SAID})
    assert (status, answer["error"]["code"]) == (502, "unchecked_call")
    assert "planted" not in json.dumps(answer)


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
