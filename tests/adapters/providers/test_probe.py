"""Servers here answer as the tokenising endpoints of vLLM and llama.cpp do, with templates of the test's own."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import pytest

from adapters.providers._probe import ProbeOutcome, ProbeResult, probe_roles
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamFailed, UpstreamUnreachable
from gateway.domain.target import Secret, Target, Timeouts, Tls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHATML = ("<|im_start|>", "<|im_end|>")
STRUQ = ("[MARK]", "[INST]", "[INPT]", "[RESP]", "[COLN]")
DEFENSIVE = tuple(f"[DefensiveToken{index}]" for index in range(5))

Template = Callable[[list[dict[str, str]], dict[str, bool]], str]


def llama3(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    defence = "".join(DEFENSIVE) if switches.get("add_defensive_tokens") else ""
    turns = [f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content']}<|eot_id|>" for m in messages]
    return defence + "<|begin_of_text|>" + "".join(turns) + "<|start_header_id|>assistant<|end_header_id|>\n\n"


def llama3_with_a_date(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    return llama3([{"role": "system", "content": "Today is Monday"}, *messages], switches)


def chatml(messages: list[dict[str, str]], _switches: dict[str, bool]) -> str:
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


def folding(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    """Puts whatever is not the user's into the user's turn too, as many templates do."""
    return llama3([{"role": "user", "content": "\n".join(m["content"] for m in messages)}], switches)


def headless(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    return llama3(messages, switches).replace("<|end_header_id|>", "")


def changing(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    return llama3(messages, switches) + ("More" if switches.get("add_defensive_tokens") else "")


def unending(messages: list[dict[str, str]], switches: dict[str, bool]) -> str:
    return llama3(messages, switches).replace("<|eot_id|>", "")


@dataclass(kw_only=True)
class TokenServer:
    """An ``UpstreamClient`` in front of a tokeniser; ``kind`` says whose endpoints it has."""

    kind: str
    template: Template = llama3
    special: tuple[str, ...] = LLAMA3
    status: int = 200
    body: bytes | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
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
        assert (method, target, timeouts, socket) == ("POST", "primary", Timeouts(), None)
        assert addresses == ADDRESSES
        if self.kind == "down":
            raise UpstreamUnreachable("no connection", target=target)
        self.asked.append((url, dict(headers)))
        self.answer = orjson.dumps(self._answer(url, orjson.loads(body))) if self.body is None else self.body
        yield self

    async def close(self) -> None:
        pass

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.answer

    async def read(self, limit: int) -> bytes:
        assert len(self.answer) < limit
        return self.answer

    def _answer(self, url: str, asked: dict[str, object]) -> object:
        if url == "http://model.test/apply-template" and self.kind == "llama.cpp":
            return {"prompt": self._render(asked)}
        assert url == "http://model.test/tokenize"
        if self.kind == "vllm":
            text = self._render(asked) if "messages" in asked else asked["prompt"]
            tokens = [token.replace(" ", "Ġ").replace("\n", "Ċ") for token in self._tokenise(str(text))]
            return {"count": len(tokens), "tokens": list(range(len(tokens))), "token_strs": tokens}
        tokens = self._tokenise(str(asked.get("content", "")))
        return {"tokens": [{"id": at, "piece": token} for at, token in enumerate(tokens)]}

    def _render(self, asked: dict[str, object]) -> str:
        messages, switches = asked["messages"], asked["chat_template_kwargs"]
        return self.template(messages, switches)  # pyright: ignore[reportArgumentType] -- the probe's own JSON

    def _tokenise(self, text: str) -> list[str]:
        known = "|".join(re.escape(token) for token in self.special)
        return [token for token in re.split(rf"({known})|(\w+| \w+|\s|[^\w\s])", text) if token]


ADDRESSES = Addresses(networks=("10.20.0.0/16",))


def target(form: str = "secalign", base_url: str = "http://model.test/v1") -> Target:
    return Target(
        id="primary",
        provider="openai_compatible",
        addresses=ADDRESSES,
        base_url=base_url,
        model="m",
        format=form,
        family="all",
        api_key=Secret("k"),
    )


async def outcome(server: TokenServer, form: str = "secalign") -> ProbeOutcome:
    result = await probe_roles(server, target(form))
    assert result.reason
    return result.outcome


@pytest.fixture(params=["vllm", "llama.cpp"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.mark.rows
@pytest.mark.parametrize(
    ("template", "special"), [(llama3, LLAMA3), (llama3_with_a_date, LLAMA3), (chatml, CHATML), (unending, LLAMA3)]
)
async def test_roles_with_headers_of_their_own_pass(kind: str, template: Template, special: tuple[str, ...]) -> None:
    assert await outcome(TokenServer(kind=kind, template=template, special=special)) is ProbeOutcome.PASSED


@pytest.mark.rows
@pytest.mark.parametrize(
    ("template", "special"),
    [
        (folding, LLAMA3),
        (headless, LLAMA3),
        (llama3, ("<|begin_of_text|>",)),
        (llama3, ("<|start_header_id|>",)),
        (chatml, ("<|im_end|>",)),
    ],
)
async def test_a_role_without_a_turn_of_its_own_fails(kind: str, template: Template, special: tuple[str, ...]) -> None:
    assert await outcome(TokenServer(kind=kind, template=template, special=special)) is ProbeOutcome.FAILED


async def test_struq_passes_where_its_five_words_are_tokens(kind: str) -> None:
    assert await outcome(TokenServer(kind=kind, special=STRUQ), "struq") is ProbeOutcome.PASSED


@pytest.mark.rows
@pytest.mark.parametrize("missing", STRUQ)
async def test_struq_fails_where_one_of_them_is_not(kind: str, missing: str) -> None:
    special = tuple(token for token in STRUQ if token != missing)
    result = await probe_roles(TokenServer(kind=kind, special=special), target("struq"))
    assert result == ProbeResult(outcome=ProbeOutcome.FAILED, reason=f"{missing} is not one token of the model")


async def test_defensive_tokens_pass_where_the_switch_adds_them_alone(kind: str) -> None:
    server = TokenServer(kind=kind, special=LLAMA3 + DEFENSIVE)
    assert await outcome(server, "defensive-token") is ProbeOutcome.PASSED


@pytest.mark.rows
@pytest.mark.parametrize(("template", "special"), [(chatml, CHATML), (llama3, LLAMA3), (changing, LLAMA3 + DEFENSIVE)])
async def test_defensive_tokens_fail_otherwise(kind: str, template: Template, special: tuple[str, ...]) -> None:
    server = TokenServer(kind=kind, template=template, special=special)
    assert await outcome(server, "defensive-token") is ProbeOutcome.FAILED


@pytest.mark.rows
@pytest.mark.parametrize("form", ["secalign", "struq", "defensive-token"])
@pytest.mark.parametrize("status", [404, 405, 501, 401, 403])
async def test_a_server_without_an_answer_leaves_the_question_open(form: str, status: int) -> None:
    assert await outcome(TokenServer(kind="vllm", status=status), form) is ProbeOutcome.UNAVAILABLE


@pytest.mark.rows
@pytest.mark.parametrize("status", [400, 422, 500])
async def test_a_server_that_refuses_to_render_fails(status: int) -> None:
    assert await outcome(TokenServer(kind="vllm", status=status)) is ProbeOutcome.FAILED


@pytest.mark.rows
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"tokens": []}', b'{"token_strs": 1}', b'{"tokens": [1, 2]}'])
@pytest.mark.parametrize("form", ["secalign", "struq"])
async def test_an_answer_that_shows_no_tokens_leaves_the_question_open(form: str, body: bytes) -> None:
    assert await outcome(TokenServer(kind="vllm", body=body), form) is ProbeOutcome.UNAVAILABLE


async def test_a_token_that_is_no_text_is_no_special_token() -> None:
    body = b'{"tokens": [{"piece": [230, 151]}, {"piece": null}]}'
    assert await outcome(TokenServer(kind="llama.cpp", body=body), "struq") is ProbeOutcome.FAILED


async def test_a_server_that_is_down_is_to_be_asked_again() -> None:
    with pytest.raises(UpstreamUnreachable):
        await outcome(TokenServer(kind="down"))


@pytest.mark.rows
@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_server_without_room_is_to_be_asked_again(status: int) -> None:
    with pytest.raises(UpstreamFailed):
        await outcome(TokenServer(kind="vllm", status=status))


async def test_other_formats_are_not_probed() -> None:
    server = TokenServer(kind="vllm")
    assert await outcome(server, "spotlight") is ProbeOutcome.UNAVAILABLE
    assert server.asked == []


async def test_the_probe_asks_beside_the_api_with_the_targets_credentials() -> None:
    server = TokenServer(kind="vllm")
    await probe_roles(server, target())
    url, headers = server.asked[0]
    assert url == "http://model.test/tokenize"
    assert headers["authorization"] == "Bearer k"
