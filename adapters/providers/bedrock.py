"""How is a model on Amazon Bedrock reached? By its Converse API, which the litellm process speaks."""

from typing import Final

from adapters.providers._translated import (
    DEFAULTS,
    ENDPOINTS,
    FORMATS,
    TranslatedEmbedder,
    TranslatedProvider,
    refuse_unsayable,
)
from gateway.domain.ports import Embedder, Provider, UpstreamClient

__all__ = ["DEFAULTS", "ENDPOINTS", "FORMATS", "SETTINGS", "create", "create_embedder", "refuse_unsayable"]

SETTINGS: Final = frozenset({"credentials"})


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client`` to the target's Unix socket."""
    return TranslatedProvider(client)


def create_embedder(client: UpstreamClient) -> Embedder:
    """The same for vectors."""
    return TranslatedEmbedder(client)
