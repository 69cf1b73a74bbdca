"""Which of the gateway's errors is a refusal of Anthropic's?

The status decides, as with every vendor. Of what the upstream says only plain identifiers are kept: the code of
``details`` where there is one, and otherwise the type.
Source: Anthropic's API reference, "Errors".
"""

from collections.abc import Mapping
from typing import Final

import orjson

from adapters.providers import _errors
from gateway.domain.errors import UpstreamError
from gateway.domain.jsonvalue import JsonObject, JsonValue

_CONTEXT: Final = "context_length_exceeded"
# It has no code of its own: its message alone says so.
_CONTEXT_PHRASE: Final = "prompt is too long"
# OpenAI's word, which applications act on.
_WORDS: Final = {"rate_limit_error": "rate_limit_exceeded"}


def read_refusal(status: int, headers: Mapping[str, str], body: bytes, /, *, target: str) -> UpstreamError:
    """The error for a response whose status is not 200; ``body`` may be empty or cut short."""
    code = _code(_error_in(body))
    said = orjson.dumps({"error": {"code": code}}) if code is not None else b""
    return _errors.read_refusal(status, headers, said, target=target)


def _code(error: JsonObject) -> str | None:
    message, details, kind = error.get("message"), error.get("details"), error.get("type")
    if isinstance(message, str) and _CONTEXT_PHRASE in message:
        return _CONTEXT
    code = details.get("error_code") if isinstance(details, dict) else None
    if isinstance(code, str):
        return code
    return _WORDS.get(kind, kind) if isinstance(kind, str) else None


def _error_in(body: bytes) -> JsonObject:
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
