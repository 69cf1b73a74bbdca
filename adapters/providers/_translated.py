"""How is a model reached that the litellm process calls?

That process speaks OpenAI's protocol on the target's Unix socket and knows targets by their ids: a request names the
target's, and neither the vendor's model nor a credential. The rule: what it takes is what ``FORMATS`` lay out.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Final

from adapters.providers._openai import OpenAiProvider
from adapters.providers._openai_embeddings import OpenAiEmbedder
from gateway.domain.errors import NotSayable
from gateway.domain.exchange import Embeddings, Reply, StreamEvent
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Call, UpstreamClient
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target

ENDPOINTS: Final = frozenset({Endpoint.CHAT})
# Layouts of plain chat messages: most others use roles and fields that no vendor behind litellm has.
FORMATS: Final = frozenset({"plain", "spotlight", "tool-envelope"})
# Some vendors refuse results of tools that were not declared, and litellm writes those results into the user's text.
DEFAULTS: Final[Mapping[str, JsonObject]] = {"tool-envelope": {"declare_tool": True}}
# What litellm keeps for itself, or knows nothing of. Whatever else a vendor has no word for, the process refuses.
_UNSAYABLE: Final = ("metadata", "moderation", "prompt_cache_options", "prompt_cache_retention")


def refuse_unsayable(target: Target, _: Layout, options: Options) -> None:
    """Refuse a request that cannot be said, before anything is sent: another target may still take it.

    Raises:
        NotSayable: names the field.
    """
    for name in _UNSAYABLE:
        if name in options.values:
            raise NotSayable(f"{name} cannot be said to target {target.id}; leave it out", param=name)


class TranslatedProvider:
    """``Provider`` over the litellm process."""

    def __init__(self, client: UpstreamClient) -> None:
        self._inner = OpenAiProvider(client, by_socket="the litellm process")

    def serialise(self, call: Call) -> bytes:
        """The exact body for the process."""
        return self._inner.serialise(_by_id(call))

    async def send(self, call: Call) -> Reply:
        """Make the call and read the whole answer."""
        return await self._inner.send(_by_id(call))

    def stream(self, call: Call) -> AsyncGenerator[StreamEvent]:
        """Make the call and yield events as they arrive."""
        return self._inner.stream(_by_id(call))


class TranslatedEmbedder:
    """``Embedder`` over the litellm process."""

    def __init__(self, client: UpstreamClient) -> None:
        self._inner = OpenAiEmbedder(OpenAiProvider(client, by_socket="the litellm process"))

    def serialise(self, call: Call) -> bytes:
        """The exact body for the process."""
        return self._inner.serialise(_by_id(call))

    async def embed(self, call: Call) -> Embeddings:
        """Make the call and read the vectors."""
        return await self._inner.embed(_by_id(call))


def _by_id(call: Call) -> Call:
    return replace(call, target=replace(call.target, model=call.target.id))
