"""Does a server render a native format with boundaries that data cannot cross?

A layout counts as native only if the server's own template and tokeniser keep it: roles with headers of their own, and
special tokens that are one token each. The probe asks the server to render two harmless texts and looks at the tokens;
nothing is generated. A server without such endpoints leaves the question open, and open is not passed.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Final

from adapters.providers._openai import require_socket
from adapters.providers._rendering import NO_ROUTE, Rendering
from adapters.providers._shape import Misshapen, Object, optional_list
from gateway.domain.errors import UpstreamFailed
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import Target
from gateway.domain.value import value

_INSTRUCTION: Final = "Name the colour"
_DATA: Final = "A green door"

# How a template marks turns: the token before a role, the token behind it (None: the end of its line), the turn's end.
_HEADERS: Final = (("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), ("<|im_start|>", None, "<|im_end|>"))
_STRUQ_PROMPT: Final = f"[MARK] [INST][COLN]\n{_INSTRUCTION}\n\n[MARK] [INPT][COLN]\n{_DATA}\n\n[MARK] [RESP][COLN]\n"
_STRUQ_TOKENS: Final = ("[MARK]", "[INST]", "[INPT]", "[RESP]", "[COLN]")
_DEFENSIVE: Final = re.compile(r"\[DefensiveToken\d+\]")
# Tokenisers of the GPT-2 kind show blanks and line ends, SentencePiece its blanks, as letters.
_SHOWN_BLANKS: Final = str.maketrans({"Ġ": " ", "Ċ": "\n", "▁": " "})


class ProbeOutcome(StrEnum):
    """What a probe found; only ``PASSED`` earns native."""

    PASSED = "passed"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"


@value
class ProbeResult:
    """The outcome, and why, in words for the operator."""

    outcome: ProbeOutcome
    reason: str


class _Stop(Exception):
    """The probe cannot go on; carries its result."""

    def __init__(self, outcome: ProbeOutcome, reason: str) -> None:
        super().__init__(reason)
        self.result = ProbeResult(outcome=outcome, reason=reason)


async def probe_roles(client: UpstreamClient, target: Target) -> ProbeResult:
    """Render a probe in the target's format.

    Raises:
        UpstreamError: the server could not be reached or had no room: ask again later.
    """
    check = {"secalign": _check_secalign, "struq": _check_struq, "defensive-token": _check_defensive}.get(target.format)
    if check is None:
        return ProbeResult(outcome=ProbeOutcome.UNAVAILABLE, reason=f"format {target.format} has no render probe")
    try:
        await check(_Renderer(client, target))
    except _Stop as stop:
        return stop.result
    except Misshapen as exc:
        return ProbeResult(outcome=ProbeOutcome.UNAVAILABLE, reason=f"the server's answer cannot be read: {exc}")
    return ProbeResult(outcome=ProbeOutcome.PASSED, reason="roles and special tokens are rendered apart")


class _Renderer:
    """Asks one server for the tokens of a conversation or of a text.

    The embedded model's is llama.cpp's, on a socket, and takes nothing that means something to vLLM alone.
    """

    def __init__(self, client: UpstreamClient, target: Target) -> None:
        self._embedded = target.provider == "embedded"
        if self._embedded:
            require_socket(target, "the embedded model")
        self._server = Rendering(client, target, partial(_stop, target.id), request_id="probe")

    async def conversation(self, messages: JsonValue, switches: JsonObject) -> list[str]:
        """The tokens of ``messages`` in the server's template, given ``switches`` as its arguments."""
        asked: JsonObject = {"messages": messages, "chat_template_kwargs": switches}
        if not self._embedded:
            answer = await self._server.tokens({**asked, "add_generation_prompt": True, "return_token_strs": True})
            if tokens := _token_texts(answer):
                return tokens
        return await self.text(await self._server.template(asked))

    async def text(self, text: str) -> list[str]:
        """The tokens of ``text``, special ones recognised; one body that both kinds of server understand."""
        both: Object = {"prompt": text, "return_token_strs": True, "add_special_tokens": False}
        vllm = {} if self._embedded else both
        llama: Object = {"content": text, "parse_special": True, "with_pieces": True, "add_special": False}
        if tokens := _token_texts(await self._server.tokens({**vllm, **llama})):
            return tokens
        raise _Stop(ProbeOutcome.UNAVAILABLE, "the server does not show its tokens")


def _stop(target: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    del headers, body
    if status in NO_ROUTE:
        return _Stop(ProbeOutcome.UNAVAILABLE, f"the server has no {path}")
    if status in {400, 422, 500}:
        # Template errors: the role or the switch is not known to it.
        return _Stop(ProbeOutcome.FAILED, f"the server refused to render the probe ({status})")
    if status in {429, 502, 503, 504}:
        return UpstreamFailed(f"the server had no room for {path} ({status})", target=target)
    return _Stop(ProbeOutcome.UNAVAILABLE, f"the server answered {path} with status {status}")


def _token_texts(answer: Object) -> list[str]:
    """The tokens' texts from either server's answer; empty where it shows none."""
    shown = optional_list(answer, "token_strs")
    if shown:
        return [_piece(text) for text in shown]
    tokens = optional_list(answer, "tokens")
    return [_piece(token.get("piece")) for token in tokens if isinstance(token, dict)]


def _piece(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    # llama.cpp writes a token that is no whole character as a list of its bytes; it can be no special token.
    return "\ufffd"


async def _check_secalign(render: _Renderer) -> None:
    messages: JsonValue = [{"role": "user", "content": _INSTRUCTION}, {"role": "input", "content": _DATA}]
    turns = _split_turns(await render.conversation(messages, {}))
    if turns is None:
        raise _Stop(ProbeOutcome.FAILED, "no role header of a known family is a special token of the model")
    if turns[0][0] == "system":
        turns = turns[1:]
    if turns != [("user", _INSTRUCTION), ("input", _DATA), ("assistant", "")]:
        raise _Stop(ProbeOutcome.FAILED, "the template gives the roles user and input no turns of their own")


async def _check_struq(render: _Renderer) -> None:
    texts = [token.translate(_SHOWN_BLANKS).strip() for token in await render.text(_STRUQ_PROMPT)]
    for token in _STRUQ_TOKENS:
        if texts.count(token) != _STRUQ_PROMPT.count(token):
            raise _Stop(ProbeOutcome.FAILED, f"{token} is not one token of the model")


async def _check_defensive(render: _Renderer) -> None:
    messages: JsonValue = [{"role": "system", "content": _INSTRUCTION}, {"role": "user", "content": _DATA}]
    plain = await render.conversation(messages, {"add_defensive_tokens": False})
    defended = await render.conversation(messages, {"add_defensive_tokens": True})
    rest = [token for token in defended if not _DEFENSIVE.fullmatch(token.translate(_SHOWN_BLANKS).strip())]
    if len(rest) == len(defended):
        raise _Stop(ProbeOutcome.FAILED, "add_defensive_tokens adds no defensive token to the prompt")
    if rest != plain:
        raise _Stop(ProbeOutcome.FAILED, "add_defensive_tokens changes more than the defensive tokens")


def _split_turns(tokens: list[str]) -> list[tuple[str, str]] | None:
    """Each turn's role and text; None where no known header is a token. Text outside turns is left out."""
    for start, behind_role, end in _HEADERS:
        if start in tokens:
            at = [index for index, token in enumerate(tokens) if token == start]
            sections = [tokens[one + 1 : following] for one, following in zip(at, [*at[1:], None], strict=True)]
            return [_read_turn(section, behind_role, end) for section in sections]
    return None


def _read_turn(section: list[str], behind_role: str | None, end: str) -> tuple[str, str]:
    body = section[: section.index(end)] if end in section else section
    if behind_role is None:
        role, _, text = _plain_text(body).partition("\n")
    elif behind_role in body:
        split = body.index(behind_role)
        role, text = _plain_text(body[:split]), _plain_text(body[split + 1 :])
    else:
        role, text = "", ""
    return role.strip(), text.strip()


def _plain_text(tokens: list[str]) -> str:
    return "".join(tokens).translate(_SHOWN_BLANKS)
