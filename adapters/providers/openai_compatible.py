"""How is a model reached that speaks OpenAI's protocol: vLLM, llama.cpp, SGLang, OpenAI itself?"""

from adapters.providers._openai import OpenAiProvider
from adapters.providers._openai_body import refuse_unsayable
from adapters.providers._openai_count import OpenAiCounter
from adapters.providers._openai_embeddings import OpenAiEmbedder
from gateway.domain.ports import Counter, Embedder, Provider, UpstreamClient

__all__ = ["create", "create_counter", "create_embedder", "refuse_unsayable"]


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client``; the target's base URL and key say where to."""
    return OpenAiProvider(client)


def create_counter(client: UpstreamClient) -> Counter:
    """A counter for servers that can count: vLLM and llama.cpp."""
    return OpenAiCounter(client)


def create_embedder(client: UpstreamClient) -> Embedder:
    """An embedder that sends as the provider does."""
    return OpenAiEmbedder(OpenAiProvider(client))
