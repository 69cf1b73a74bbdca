"""How is an error told in OpenAI's dialects?"""

import orjson

from gateway.domain.errors import GatewayError, upstream_reason
from gateway.domain.jsonvalue import JsonObject


def error_body(error: GatewayError, status: int) -> bytes:
    """OpenAI's error object, alone in a body."""
    return orjson.dumps({"error": error_object(error, status)})


def error_object(error: GatewayError, status: int) -> JsonObject:
    """OpenAI's error object."""
    return {"message": error.message, "type": _type(status), "param": error.param, "code": code_of(error)}


def code_of(error: GatewayError) -> str:
    """The word for programs: applications branch on the provider's own, such as ``context_length_exceeded``."""
    return upstream_reason(error) or error.code


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"
