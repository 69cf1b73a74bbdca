"""How is a model on Amazon Bedrock reached? By its Converse API, which the litellm process speaks."""

from typing import Final

from adapters.providers._translated import (
    DEFAULTS,
    ENDPOINTS,
    FORMATS,
    create,
    create_embedder,
    refuse_unsayable,
)

__all__ = ["DEFAULTS", "ENDPOINTS", "FORMATS", "SETTINGS", "create", "create_embedder", "refuse_unsayable"]

SETTINGS: Final = frozenset({"credentials"})
