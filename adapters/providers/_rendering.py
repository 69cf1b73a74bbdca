"""What does a server make of a prompt before its model reads it?

Two kinds of server tell, by routes beside their API, at the server's root. vLLM's ``/tokenize`` takes messages as well
as a text. llama.cpp lays messages out by ``/apply-template``, and its ``/tokenize`` takes the text of that. Nothing is
generated. Sources: vLLM's "OpenAI-Compatible Server", section "Tokenizer API"; llama.cpp's ``tools/server/README.md``.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import orjson

from adapters.providers._shape import Misshapen, Object, as_object, text_at
from adapters.providers._way import as_bearer, common_headers, make_headers, own_headers
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import Target

# The tokens of any prompt that a model could take.
_MAX_ANSWER: Final = 16 * 1024 * 1024
# By these statuses a server says that it has no such route.
NO_ROUTE: Final = frozenset({404, 405, 501})


class Refuse(Protocol):
    """Makes the error for an answer of the route ``path`` whose status is not 200."""

    def __call__(self, path: str, status: int, headers: Mapping[str, str], body: bytes, /) -> Exception: ...


class Rendering:
    """Asks one server; ``request_id`` and ``trace`` are as in a ``Call``."""

    def __init__(
        self,
        client: UpstreamClient,
        target: Target,
        refuse: Refuse,
        *,
        request_id: str,
        trace: str | None = None,
    ) -> None:
        self._client = client
        self._target = target
        self._refuse = refuse
        common = common_headers("application/json")
        self._headers = make_headers(common, as_bearer(target), own_headers(target), request_id, trace)
        self._root = target.base_url.removesuffix("/v1")

    async def tokens(self, body: JsonObject) -> Object:
        """What ``/tokenize`` says of messages or of a text."""
        return await self._post("/tokenize", body)

    async def template(self, body: JsonObject) -> str:
        """The text that llama.cpp makes of messages."""
        return text_at(await self._post("/apply-template", body), "prompt")

    async def _post(self, path: str, body: JsonObject) -> Object:
        target = self._target
        async with self._client.request(
            "POST",
            self._root + path,
            target=target.id,
            headers=self._headers,
            body=orjson.dumps({"model": target.model, **body}),
            timeouts=target.timeouts,
            socket=target.socket,
            addresses=target.addresses,
            tls=target.tls,
        ) as response:
            status, headers, raw = response.status, response.headers, await response.read(_MAX_ANSWER)
        if status != 200:
            raise self._refuse(path, status, headers, raw)
        try:
            value: JsonValue = orjson.loads(raw)
        except orjson.JSONDecodeError:
            # Without a cause: the decoder's error carries the text that it read.
            raise Misshapen("it is not JSON") from None
        return as_object(value, "it")
