"""How is a vendor called?

The only file that imports litellm: its typing gaps stay here. It is imported when it is first needed, which takes
seconds, and set so that it changes nothing it need not, keeps nothing, reports to nobody and tries nothing twice.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false, reportMissingTypeStubs=false

import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeAlias

import orjson

from adapters._refusal import Refused
from adapters.litellm import cohere, gate
from adapters.litellm.admission import Asked
from adapters.litellm.answer import Unreadable, embeddings, finishes, in_pieces, piece, whole
from adapters.litellm.failure import Failure, told
from adapters.litellm.gate import Passage, passing
from adapters.litellm.targets import Target
from adapters.litellm.wire import check_chat, inputs_in
from gateway.domain.jsonvalue import JsonObject, JsonValue

_Call: TypeAlias = Callable[..., Awaitable[object]]

# Enough for a long answer, and less than a gateway's own limit, which is 600.
DEADLINE_S: Final = 540.0
# Those whose translation is tried once at a start, so that the first request finds it loaded. They all use httpx:
# nothing of the trial is ever sent.
_TRIED: Final = frozenset({"bedrock", "gemini", *cohere.VENDORS})
_GOOGLE: Final = frozenset({"gemini", "vertex_ai", "vertex_ai_beta"})


class Failed(Exception):
    """A call failed; ``failure`` says what the client is told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class Vendors:
    """litellm, and the targets that it is used for. ``load`` comes first."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets
        self._vendors: dict[str, str] = {}

    def load(self) -> None:
        """Import litellm: some four seconds, for a thread of its own.

        Raises:
            ImportError: it is not installed.
        """
        # What is imported stays: looking through it again and again is a seventh of the time.
        gc.disable()
        try:
            import litellm  # noqa: PLC0415
        finally:
            gc.freeze()
            gc.enable()
        # Its loggers write prompts at some levels, and are many.
        logging.disable(logging.CRITICAL)
        litellm.suppress_debug_info = True
        litellm.drop_params = False
        litellm.modify_params = False
        # A tool's result without tools is refused, and not written into the user's text.
        litellm.bedrock_neutralize_orphaned_tool_blocks = False
        litellm.num_retries = 0
        litellm.cache = None
        litellm.disable_streaming_logging = True
        litellm.turn_off_message_logging = True
        litellm.disable_hf_tokenizer_download = True
        litellm.disable_aiohttp_trust_env = True
        self._call: _Call = litellm.acompletion
        self._embed: _Call = litellm.aembedding
        gate.install()
        for target in self._targets.values():
            self._vendors[target.id] = _vendor_of(target.model)

    async def warm_up(self) -> None:
        """Have each vendor's part of litellm make a request once; it is held back at the gate."""
        tried = {self._vendors[target.id]: target for target in self._targets.values()}
        for vendor, target in tried.items():
            if vendor in _TRIED:
                passage = Passage(check=_hold_back)
                with suppress(Exception), passing(passage):
                    await self._call(**self._arguments(_trial(target), stream=False))

    async def complete(self, asked: Asked) -> JsonObject:
        """A whole chat completion.

        Raises:
            Failed: there is none.
        """
        passage = Passage(check=partial(check_chat, asked.body), addresses=self._targets[asked.target].addresses)
        with _failing(passage, asked):
            with passing(passage):
                answer = _dumped(await self._call(**self._arguments(asked, stream=False)))
            if not passage.sent:
                raise Failed(_unchecked())
            if self._vendors[asked.target] in cohere.VENDORS:
                answer = cohere.corrected(answer, passage.body)
            return whole(answer)

    async def stream(self, asked: Asked) -> AsyncGenerator[JsonObject]:
        """The chunks of a completion as they come.

        Raises:
            Failed: before the first chunk, or in the middle.
        """
        if self._vendors[asked.target] in cohere.VENDORS:
            for one in in_pieces(await self.complete(asked)):
                yield one
            return
        passage = Passage(check=partial(check_chat, asked.body), addresses=self._targets[asked.target].addresses)
        with _failing(passage, asked):
            with passing(passage):
                chunks = _iterator(await self._call(**self._arguments(asked, stream=True)))
            while True:
                # Some of litellm's streams send their request only now.
                with passing(passage):
                    chunk = await anext(chunks, None)
                if not passage.sent:
                    raise Failed(_unchecked())
                if chunk is None:
                    return
                one = piece(_dumped(chunk))
                if finishes(one) and not passage.ended:
                    # litellm makes up an ending for a stream that broke off.
                    raise Failed(_broken_off())
                yield one

    async def embed(self, asked: Asked) -> JsonObject:
        """Embeddings, one for each input.

        Raises:
            Failed: there are none.
        """
        target = self._targets[asked.target]
        found: set[int] = set()
        # Some vendors take one text a request.
        passage = Passage(check=partial(_find_inputs, asked.body, found), several=True, addresses=target.addresses)
        with _failing(passage, asked):
            with passing(passage):
                answer = await self._embed(model=target.embeddings, **asked.body, **_common(target))
            if len(found) < len(_listed(asked.body["input"])):
                raise Failed(_unchecked())
            return embeddings(_dumped(answer), target.embeddings)

    def _arguments(self, asked: Asked, *, stream: bool) -> dict[str, object]:
        target = self._targets[asked.target]
        if not self._vendors[asked.target]:
            raise Failed(_unknown_vendor())
        body: dict[str, object] = {**asked.body}
        if self._vendors[asked.target] in _GOOGLE and "gemini" in target.model:
            body["messages"] = [_as_content(message) for message in _objects(asked.body["messages"])]
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        # litellm would look for a package of MCP's in every request with tools.
        return {"model": target.model, **body, **_common(target), "_skip_mcp_handler": True}


@contextmanager
def _failing(passage: Passage, asked: Asked) -> Generator[None]:
    """Whatever is raised in here is told as ``Failed``; without a cause, whose text may quote the prompt."""
    try:
        yield
    except Failed:
        raise
    except Exception as error:  # noqa: BLE001 — litellm raises whatever its vendors' parts do
        raise Failed(told(error, passage, asked.body)) from None


def _find_inputs(asked: JsonObject, found: set[int], body: JsonValue) -> None:
    """Note which texts stand in ``body``; it must be one at least."""
    seen = inputs_in(asked, body)
    if not seen:
        raise Refused("not_sayable", "input cannot be said to this vendor: use another target.", param="input")
    found.update(seen)


def _vendor_of(model: str) -> str:
    import litellm  # noqa: PLC0415

    try:
        return litellm.get_llm_provider(model=model)[1]
    except Exception:  # noqa: BLE001 — whatever it raises, it knows none: calls will say so
        return ""


def _common(target: Target) -> dict[str, object]:
    address = {} if target.address is None else {"api_base": target.address}
    return {
        **target.credentials,
        **address,
        "timeout": DEADLINE_S,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": False,
        "caching": False,
        "no-log": True,
    }


def _as_content(message: JsonObject) -> JsonObject:
    """A tool's result as an object that holds its text, unless the text is just what writing an object gives.

    litellm would read any text that looks like JSON, and send what it understood of it: a number that does not fit, a
    key that stands twice or an escaped token would arrive as something else than what was checked.
    """
    if message.get("role") != "tool":
        return message
    content = message["content"]
    parts = [content] if isinstance(content, str) else [str(part.get("text", "")) for part in _objects(content)]
    text = "".join(parts)
    if _is_plainly_an_object(text):
        return {**message, "content": text}
    return {**message, "content": orjson.dumps({"content": text}).decode()}


def _is_plainly_an_object(text: str) -> bool:
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, Mapping) and orjson.dumps(value) == text.encode()


def _trial(target: Target) -> Asked:
    return Asked(target=target.id, body={"messages": [{"role": "user", "content": "-"}]})


def _hold_back(_: JsonValue) -> None:
    raise Refused("trial", "This is a trial.")


def _unknown_vendor() -> Failure:
    message = "litellm knows no vendor of this name: correct the target's model, VENDOR/MODEL."
    return Failure(status=500, code="unknown_vendor", message=message)


def _unchecked() -> Failure:
    message = "The call went past the gate: litellm reaches this vendor in a way that is not supported."
    return Failure(status=502, code="unchecked_call", message=message)


def _broken_off() -> Failure:
    return Failure(status=502, code="broken_off", message="The vendor's answer broke off before its end.")


def _iterator(answer: object) -> AsyncIterator[object]:
    if isinstance(answer, AsyncIterator):
        return answer
    raise Unreadable


def _dumped(chunk: object) -> JsonObject:
    dump = getattr(chunk, "model_dump", None)
    read = dump() if callable(dump) else None
    if not isinstance(read, dict):
        raise Unreadable
    return read


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _objects(value: JsonValue) -> list[JsonObject]:
    return [one for one in _listed(value) if isinstance(one, Mapping)]
