"""How many tokens does a server of OpenAI's protocol read in a prompt?

The prompt is counted as it is laid out, with all that the server's template puts around it. OpenAI's protocol has no
route for that; vLLM and llama.cpp have routes of their own. A server that has none cannot count: that is told as what
cannot be said, so that another target may.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from adapters.providers._errors import read_refusal
from adapters.providers._openai import garbled, require_socket
from adapters.providers._rendering import NO_ROUTE, Rendering
from adapters.providers._shape import Misshapen, Object, count_at, list_at
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call, UpstreamClient
from gateway.domain.target import Endpoint

# What of a chat request has a say in the text that a template makes.
_LAID_OUT: Final = ("messages", "tools")
_CHOSEN: Final = ("tool_choice", "parallel_tool_calls", "response_format")


class OpenAiCounter:
    """``Counter`` for servers of vLLM's and of llama.cpp's kind.

    With ``embedded`` the server is ours: llama.cpp's, on a socket, of whose routes only the needed ones can be reached.
    """

    def __init__(self, client: UpstreamClient, *, embedded: bool = False) -> None:
        self._client = client
        self._embedded = embedded

    async def count(self, call: Call) -> int:
        """The number of tokens of the prompt."""
        target = call.target
        if self._embedded:
            require_socket(target, "the embedded model")
        server = Rendering(self._client, target, partial(_refuse, target.id), request_id=call.id, trace=call.trace)
        try:
            if call.layout.endpoint is Endpoint.CHAT:
                return await self._conversation(server, call)
            return await self._text(server, call.layout.body["prompt"])
        except Misshapen as exc:
            raise garbled(target.id, exc) from exc

    async def _conversation(self, server: Rendering, call: Call) -> int:
        asked = _conversation_of(call)
        if not self._embedded:
            answer = await server.tokens({**asked, "add_generation_prompt": True})
            if "count" in answer:
                return count_at(answer, "count")
        chosen = {name: call.options.values[name] for name in _CHOSEN if name in call.options.values}
        return await self._text(server, await server.template({**asked, **chosen}))

    async def _text(self, server: Rendering, text: JsonValue) -> int:
        """Of a text that is all that the model reads, its first token aside, which the server puts before it."""
        asked: Object = {"content": text, "parse_special": True, "add_special": True}
        if not self._embedded:
            # One body that both kinds of server understand.
            asked |= {"prompt": text, "add_special_tokens": True}
        answer = await server.tokens(asked)
        return count_at(answer, "count") if "count" in answer else len(list_at(answer, "tokens"))


def _conversation_of(call: Call) -> Object:
    body = call.layout.body
    asked = {name: body[name] for name in _LAID_OUT if name in body}
    switches = _object(body.get("chat_template_kwargs"))
    if "documents" in body:
        # Neither server takes them here as a field of their own; their templates know them by this name.
        switches = {**switches, "documents": body["documents"]}
    return {**asked, "chat_template_kwargs": switches} if switches else asked


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _refuse(target: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    if status in NO_ROUTE:
        return NotSayable(
            f"target {target} cannot count tokens: its server has no {path}; ask for another model, or give this one a "
            "target whose server can (vLLM, llama.cpp)"
        )
    return read_refusal(status, headers, body, target=target)
