"""Servers here answer as the tokenising endpoints of vLLM and llama.cpp do: a token is a word."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from adapters.providers import embedded, openai_compatible
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import (
    NotSayable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamUnreachable,
)
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Call
from gateway.domain.target import Endpoint, Timeouts, Tls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MakeCall = Callable[..., Call]
TOOL: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@dataclass(kw_only=True)
class TokenServer:
    """An ``UpstreamClient`` in front of a tokeniser; ``kind`` says whose endpoints it has, ``raw`` is said instead."""

    kind: str
    status: int = 200
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    heads: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    sockets: list[str | None] = field(default_factory=list[str | None])
    answer: bytes = b""

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        socket: str | None = None,
        addresses: Addresses = PUBLIC_ONLY,
        tls: Tls | None = None,
    ) -> "AsyncGenerator[TokenServer]":
        assert tls is None
        assert (method, target, timeouts) == ("POST", "primary", Timeouts())
        assert addresses == Addresses(networks=("10.20.0.0/16",))
        asked = orjson.loads(body)
        self.asked.append((url.removeprefix("http://model.test"), asked))
        self.heads.append(dict(headers))
        self.sockets.append(socket)
        self.answer = orjson.dumps(self._answer(url, asked)) if self.raw is None else self.raw
        yield self

    async def close(self) -> None:
        pass

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.answer

    async def read(self, limit: int) -> bytes:
        assert len(self.answer) < limit
        return self.answer

    def _answer(self, url: str, asked: dict[str, Any]) -> object:
        if url == "http://model.test/apply-template":
            return {"prompt": " ".join(["START", *[m["content"] for m in asked["messages"]], "END"])}
        assert url == "http://model.test/tokenize"
        if self.kind == "vllm":
            words = [w for m in asked.get("messages", ()) for w in m["content"].split()] or asked["prompt"].split()
            return {"count": len(words) + 2, "max_model_len": 9, "tokens": []}
        return {"tokens": list(range(len(str(asked.get("content", "")).split())))}


def conversation(make_call: MakeCall, **more: object) -> Call:
    body = {"messages": [{"role": "user", "content": "a b c"}], **more}
    return make_call(body=body, values={"tool_choice": "auto", "temperature": 1})


async def test_vllm_counts_a_conversation_itself(make_call: MakeCall) -> None:
    server = TokenServer(kind="vllm")
    call = conversation(make_call, tools=[TOOL], chat_template_kwargs={"add_defensive_tokens": True})
    assert await openai_compatible.create_counter(server).count(call) == 5
    asked = {
        "model": "upstream-name",
        "messages": [{"role": "user", "content": "a b c"}],
        "tools": [TOOL],
        "chat_template_kwargs": {"add_defensive_tokens": True},
        "add_generation_prompt": True,
    }
    assert server.asked == [("/tokenize", asked)]
    (head,) = server.heads
    assert (head["authorization"], head["x-request-id"]) == ("Bearer sk-upstream", "req-1")


async def test_llama_cpp_lays_out_first_and_counts_then(make_call: MakeCall) -> None:
    server = TokenServer(kind="llama.cpp")
    assert await openai_compatible.create_counter(server).count(conversation(make_call, tools=[TOOL])) == 5
    paths = [path for path, _ in server.asked]
    assert paths == ["/tokenize", "/apply-template", "/tokenize"]
    laid_out, counted = server.asked[1][1], server.asked[2][1]
    assert laid_out == {
        "model": "upstream-name",
        "messages": [{"role": "user", "content": "a b c"}],
        "tools": [TOOL],
        "tool_choice": "auto",
    }
    assert (counted["content"], counted["parse_special"], counted["add_special"]) == ("START a b c END", True, True)


async def test_documents_are_counted_where_templates_look_for_them(make_call: MakeCall) -> None:
    server = TokenServer(kind="vllm")
    documents = [{"text": "long"}]
    await openai_compatible.create_counter(server).count(
        conversation(make_call, documents=documents, chat_template_kwargs={"x": True})
    )
    assert server.asked[0][1]["chat_template_kwargs"] == {"x": True, "documents": documents}
    assert "documents" not in server.asked[0][1]


@pytest.mark.parametrize(("kind", "tokens"), [("vllm", 4), ("llama.cpp", 2)])
async def test_a_text_for_completions_is_counted_as_it_is(make_call: MakeCall, kind: str, tokens: int) -> None:
    server = TokenServer(kind=kind)
    call = make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "a b"})
    assert await openai_compatible.create_counter(server).count(call) == tokens
    ((path, asked),) = server.asked
    assert (path, asked["prompt"], asked["content"], asked["add_special_tokens"]) == ("/tokenize", "a b", "a b", True)


async def test_the_embedded_model_is_asked_on_its_socket_for_no_more_than_it_takes(make_call: MakeCall) -> None:
    server = TokenServer(kind="llama.cpp")
    assert await embedded.create_counter(server).count(conversation(make_call)) == 5
    assert [path for path, _ in server.asked] == ["/apply-template", "/tokenize"]
    assert server.sockets == ["/run/model.sock"] * 2
    assert set(server.asked[1][1]) == {"model", "content", "parse_special", "add_special"}
    with pytest.raises(UpstreamUnreachable, match="no socket"):
        await embedded.create_counter(server).count(make_call(socket=None))


@pytest.mark.rows
@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_such_a_route_cannot_count(make_call: MakeCall, status: int) -> None:
    server = TokenServer(kind="vllm", status=status, raw=b'{"error": {"message": "private"}}')
    with pytest.raises(NotSayable, match="primary cannot count tokens: its server has no /tokenize") as caught:
        await openai_compatible.create_counter(server).count(conversation(make_call))
    assert "private" not in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, UpstreamRejected), (401, UpstreamFailed), (429, UpstreamOverloaded), (500, UpstreamFailed)],
)
async def test_other_refusals_are_those_of_any_call(
    make_call: MakeCall, status: int, kind: type[UpstreamError]
) -> None:
    server = TokenServer(kind="vllm", status=status, raw=b'{"error": {"message": "private"}}')
    with pytest.raises(kind) as caught:
        await openai_compatible.create_counter(server).count(conversation(make_call))
    assert caught.value.target == "primary"
    assert "private" not in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"private", b"{}", b'{"count": -1}', b'{"count": 1.5}', b'{"count": null}', b'{"tokens": 3}']
)
async def test_an_answer_that_tells_no_number_is_garbled(make_call: MakeCall, raw: bytes) -> None:
    call = make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "a b"})
    with pytest.raises(UpstreamGarbled) as caught:
        await openai_compatible.create_counter(TokenServer(kind="vllm", raw=raw)).count(call)
    assert "private" not in str(caught.value)


async def test_a_template_that_is_no_text_is_garbled(make_call: MakeCall) -> None:
    with pytest.raises(UpstreamGarbled, match="prompt is not a string"):
        await embedded.create_counter(TokenServer(kind="llama.cpp", raw=b'{"prompt": 1}')).count(
            conversation(make_call)
        )
