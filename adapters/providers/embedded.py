"""How is the embedded model reached?

Its child process speaks OpenAI's protocol on the target's Unix socket; the target's base URL only fills the request's
head.
"""

from adapters.providers._openai import OpenAiProvider
from adapters.providers._openai_body import refuse_unsayable
from adapters.providers._openai_count import OpenAiCounter
from adapters.providers._openai_embeddings import OpenAiEmbedder
from gateway.domain.ports import Counter, Embedder, Provider, UpstreamClient

__all__ = ["create", "create_counter", "create_embedder", "refuse_unsayable"]


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client`` to the target's Unix socket."""
    return OpenAiProvider(client, by_socket="the embedded model")


def create_counter(client: UpstreamClient) -> Counter:
    """A counter on the same way."""
    return OpenAiCounter(client, embedded=True)


def create_embedder(client: UpstreamClient) -> Embedder:
    """An embedder on the same way."""
    return OpenAiEmbedder(OpenAiProvider(client, by_socket="the embedded model"))
