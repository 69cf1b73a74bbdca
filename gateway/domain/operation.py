"""What does a caller want of a model: an answer, a number of tokens, or vectors?"""

from enum import StrEnum


class Operation(StrEnum):
    """By OpenTelemetry's names for what generative models do, where it has one."""

    CHAT = "chat"
    COUNT = "count_tokens"
    EMBED = "embeddings"
