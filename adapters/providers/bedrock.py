"""How is a model on Amazon Bedrock reached? By its Converse API, which the litellm process speaks."""

from typing import Final

from adapters.providers._translated import DEFAULTS, ENDPOINTS, FORMATS, TranslatedProvider, refuse_unsayable
from gateway.domain.ports import Provider, UpstreamClient

__all__ = ["DEFAULTS", "ENDPOINTS", "FORMATS", "SETTINGS", "create", "refuse_unsayable"]

SETTINGS: Final = frozenset({"credentials"})


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client`` to the target's Unix socket."""
    return TranslatedProvider(client)
