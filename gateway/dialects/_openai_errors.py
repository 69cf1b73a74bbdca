"""How is an error told in OpenAI's dialects?"""

from collections.abc import Mapping
from typing import Final

import orjson

from gateway.dialects import _called
from gateway.domain.errors import BudgetSpent, GatewayError, LimitReached, upstream_reason
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.quota import Measure

# OpenAI's word for money that is spent.
_SPENT: Final = "insufficient_quota"
_AS_IN_CHAT: Final[Mapping[str, str]] = {}
# The names of the responses API for chat's options.
_CALLED: Final[Mapping[str, str]] = {
    "logprobs": "include",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}


def error_body(error: GatewayError, status: int) -> bytes:
    """OpenAI's error object, alone in a body."""
    return orjson.dumps({"error": error_object(error, status)})


def responses_error_body(error: GatewayError, status: int) -> bytes:
    """The same in the names of the responses API."""
    return orjson.dumps({"error": error_object(error, status, _CALLED)})


def error_object(error: GatewayError, status: int, names: Mapping[str, str] = _AS_IN_CHAT) -> JsonObject:
    """OpenAI's error object, with the dialect's ``names`` of options."""
    message, param = _called.told(error, names)
    return {"message": message, "type": _type(error, status), "param": param, "code": code_of(error)}


def code_of(error: GatewayError) -> str:
    """The word for programs: applications branch on the provider's own, such as ``context_length_exceeded``."""
    if isinstance(error, LimitReached):
        return _SPENT if isinstance(error, BudgetSpent) else "rate_limit_exceeded"
    return upstream_reason(error) or error.code


def _type(error: GatewayError, status: int) -> str:
    if isinstance(error, BudgetSpent):
        return _SPENT
    if isinstance(error, LimitReached):
        # OpenAI names what ran out.
        return "tokens" if error.measure is Measure.TOKENS else "requests"
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"
