"""How is a client told that its request cannot be served as it stands?

In OpenAI's error shape. The code and the field are plain identifiers, which the gateway hands on; no part of an answer
repeats what the client wrote.
"""

from typing import Final

from aiohttp import web

from gateway.domain.jsonvalue import JsonObject

_INVALID: Final = "invalid_request_error"
_OURS: Final = "server_error"


class Refused(Exception):
    """The request does not reach the engine; ``code`` and ``param`` are identifiers, ``message`` says what to do."""

    def __init__(self, code: str, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param


def refusal(refused: Refused) -> web.Response:
    """The answer to a client whose request has to change."""
    return _error(refused.status, refused.code, refused.message, kind=_INVALID, param=refused.param)


def failure(
    status: int, code: str, message: str, *, param: str | None = None, retry_after: int | str | None = None
) -> web.Response:
    """Any other answer that is none; ``retry_after`` is in seconds, or in one of the forms of the header."""
    kind = _OURS if status >= 500 else _INVALID
    return _error(status, code, message, kind=kind, param=param, retry_after=retry_after)


def error_object(code: str, message: str, *, kind: str = _OURS, param: str | None = None) -> JsonObject:
    """The body of an error."""
    return {"error": {"code": code, "message": message, "param": param, "type": kind}}


def _error(
    status: int, code: str, message: str, *, kind: str, param: str | None, retry_after: int | str | None = None
) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.json_response(error_object(code, message, kind=kind, param=param), status=status, headers=headers)
