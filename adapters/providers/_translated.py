"""How is a model reached that the litellm process calls?

That process speaks OpenAI's protocol on the target's Unix socket and knows targets by their ids: a request names the
target's, and neither the vendor's model nor a credential. The rule: what it takes is what ``FORMATS`` lay out.
"""

from collections.abc import Mapping
from typing import Final

from adapters.providers._openai import OpenAiProvider
from adapters.providers._openai_embeddings import OpenAiEmbedder
from adapters.providers._way import Manner
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import UpstreamClient
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


def create(client: UpstreamClient) -> OpenAiProvider:
    """A provider that sends over ``client`` to the target's Unix socket."""
    return OpenAiProvider(client, manner=_MANNER, by_socket="the litellm process")


def create_embedder(client: UpstreamClient) -> OpenAiEmbedder:
    """The same for vectors."""
    return OpenAiEmbedder(create(client))


def _id_of(target: Target) -> str:
    return target.id


_MANNER: Final = Manner(model=_id_of)
