"""How is a vendor's model reached that has no provider of its own? Through litellm, in a process of its own."""

from collections.abc import Mapping
from typing import Final

from adapters.providers import _translated
from adapters.providers._translated import DEFAULTS, ENDPOINTS, create, create_embedder, refuse_unsayable
from gateway.domain.target import Target

__all__ = [
    "DEFAULTS",
    "ENDPOINTS",
    "FORMATS",
    "SETTINGS",
    "check_target",
    "create",
    "create_embedder",
    "refuse_unsayable",
]

SETTINGS: Final = frozenset({"api_version", "credentials"})
# Formats that are made for one vendor, and what litellm's names for its models begin with.
_OF_A_VENDOR: Final[Mapping[str, tuple[str, ...]]] = {
    "cohere-documents": ("cohere/", "cohere_chat/"),
    "gemini-function-response": ("gemini/", "vertex_ai/gemini"),
}
FORMATS: Final = _translated.FORMATS | _OF_A_VENDOR.keys()


def check_target(target: Target) -> None:
    """Accept a target whose format is not made for another vendor.

    Raises:
        ValueError: names the key at fault.
    """
    begins = _OF_A_VENDOR.get(target.format, ("",))
    if not target.model.startswith(begins):
        raise ValueError(f"format: {target.format} is made for models named {' or '.join(begins)}…; use another format")
