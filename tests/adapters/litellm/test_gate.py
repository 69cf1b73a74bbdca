"""The gate before httpx, in a process of its own: it is put before every client, for good."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import httpx
import pytest

from adapters._refusal import Refused
from adapters.litellm import gate
from adapters.litellm.gate import Passage, Stopped, passing
from gateway.domain.jsonvalue import JsonValue

Handler: TypeAlias = Callable[[httpx.Request], httpx.Response]


def let_through(_: JsonValue) -> None:
    """Everything is as it was asked."""


@dataclass
class Client:
    """Both kinds of client, behind the gate, before the same server."""

    handler: Handler
    sent: list[httpx.Request]

    async def post(self, kind: str, passage: Passage | None, body: bytes = b'{"a": 1}') -> httpx.Response:
        transport = httpx.MockTransport(self._answer)
        request = httpx.Request("POST", "http://vendor.test/", content=body)
        with nullcontext() if passage is None else passing(passage):
            if kind == "async":
                return await gate.send(httpx.AsyncClient(transport=transport, follow_redirects=True), request)
            return gate.send_at_once(httpx.Client(transport=transport, follow_redirects=True), request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self.handler(request)


@pytest.fixture(params=["async", "sync"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Content(httpx.AsyncByteStream, httpx.SyncByteStream):
    """An answer's body that is still to be read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content


def answering(status: int = 200, content: bytes = b"{}", **headers: str) -> Client:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(lambda _: httpx.Response(status, stream=Content(content), headers=named), [])


async def test_a_request_passes_that_is_what_was_asked_and_its_answer_is_kept(kind: str) -> None:
    seen: list[JsonValue] = []
    passage = Passage(check=seen.append)
    client = answering(content=b'{"b": 2}')
    response = await client.post(kind, passage)
    assert (response.json(), seen, passage.sent, passage.status) == ({"b": 2}, [{"a": 1}], 1, 200)
    assert passage.body == b'{"b": 2}'
    # Compressed bytes could not be looked through.
    assert client.sent[0].headers["accept-encoding"] == "identity"


async def test_a_request_of_no_call_stays_here(kind: str) -> None:
    client = answering()
    with pytest.raises(Stopped):
        await client.post(kind, None)
    assert client.sent == []


async def test_a_request_that_is_not_what_was_asked_stays_here(kind: str) -> None:
    def refuse(_: JsonValue) -> None:
        raise Refused("not_sayable", "no", param="seed")

    client, passage = answering(), Passage(check=refuse)
    with pytest.raises(Stopped) as caught:
        await client.post(kind, passage)
    assert caught.value.__cause__ is None
    assert passage.refused is not None
    assert (passage.refused.param, passage.sent, client.sent) == ("seed", 0, [])


async def test_a_body_that_is_no_json_cannot_be_looked_at(kind: str) -> None:
    client, passage = answering(), Passage(check=let_through)
    with pytest.raises(Stopped):
        await client.post(kind, passage, b"prompt=planted")
    assert passage.refused is not None
    assert (passage.refused.code, client.sent) == ("unknown_wire", [])


async def test_a_call_is_sent_once(kind: str) -> None:
    client, passage = answering(500), Passage(check=let_through)
    await client.post(kind, passage)
    with pytest.raises(Stopped):
        await client.post(kind, passage)
    assert (len(client.sent), passage.refused) == (1, None)
    several = Passage(check=let_through, several=True)
    await client.post(kind, several)
    await client.post(kind, several)
    assert several.sent == 2


async def test_no_redirect_is_followed(kind: str) -> None:
    client, passage = answering(302, location="http://elsewhere.test/"), Passage(check=let_through)
    response = await client.post(kind, passage)
    assert (response.status_code, passage.status, len(client.sent)) == (302, 302, 1)


async def test_an_encoded_answer_is_not_taken(kind: str) -> None:
    with pytest.raises(Stopped):
        await answering(content=b"", content_encoding="br").post(kind, Passage(check=let_through))


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_MOST_BYTES", 10)
    assert (await answering(content=b"x" * 10).post(kind, Passage(check=let_through))).content == b"x" * 10
    with pytest.raises(Stopped):
        await answering(content=b"x" * 11).post(kind, Passage(check=let_through))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b'{"error": {"code": "rate_limit", "message": "planted"}}', {}, "rate_limit"),
        (b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}', {}, "RESOURCE_EXHAUSTED"),
        (b'[{"error": {"status": "UNAVAILABLE"}}]', {}, "UNAVAILABLE"),
        (b'{"__type": "ThrottlingException"}', {}, "ThrottlingException"),
        (b'{"type": "error", "error": {"type": "overloaded_error"}}', {}, "overloaded_error"),
        (b'{"message": "planted"}', {"x_amzn_errortype": "ValidationException:http://x"}, "ValidationException"),
        (b'{"error": {"code": "planted words of a prompt"}}', {}, None),
        (b'{"error": "planted"}', {}, None),
        (b'{"code": "429"}', {}, None),
        (b"<html>planted", {}, None),
        (b"[]", {}, None),
        (b"5", {}, None),
    ],
)
async def test_of_a_refusal_a_plain_word_is_kept(
    kind: str, content: bytes, headers: dict[str, str], code: str | None
) -> None:
    passage = Passage(check=let_through)
    await answering(400, content, retry_after="7", **headers).post(kind, passage)
    assert (passage.status, passage.code, passage.retry_after) == (400, code, "7")


async def test_whether_an_answer_said_that_it_is_at_its_end_is_known_once_that_has_been_read(kind: str) -> None:
    for content, ended in (
        (b'data: {"done_reason": "stop"}\n\n', True),
        (b'{"done_reason": "stop"}', True),
        (b"{}", False),
    ):
        passage = Passage(check=let_through)
        await answering(content=content).post(kind, passage)
        assert passage.ended is ended


def test_it_stands_before_every_client_of_its_process() -> None:
    code = """
import asyncio, httpx
from adapters.litellm import gate
gate.install()
transport = httpx.MockTransport(lambda _: httpx.Response(200))
def stopped(call):
    try: call()
    except gate.Stopped: return "stopped"
    return "sent"
async def later(): await httpx.AsyncClient(transport=transport).get("http://vendor.test/")
print(stopped(lambda: httpx.Client(transport=transport).get("http://vendor.test/")))
print(stopped(lambda: asyncio.run(later())))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["stopped", "stopped"]


async def test_calls_at_the_same_time_pass_apart() -> None:
    client = answering()
    passages = [Passage(check=let_through) for _ in range(5)]
    await asyncio.gather(*(client.post("async", one, b'{"n": %d}' % at) for at, one in enumerate(passages)))
    assert [one.sent for one in passages] == [1] * 5
    assert sorted(json.loads(request.content)["n"] for request in client.sent) == list(range(5))
