"""How is a client told that its request cannot be served as it stands?

In OpenAI's error shape. The code and the field are plain identifiers, which the gateway hands on; no part of an answer
repeats what the client wrote.
"""

from typing import Final

from aiohttp import web

_INVALID: Final = "invalid_request_error"
_OURS: Final = "server_error"


class Refused(Exception):
    """The request does not reach the engine; ``code`` and ``param`` are identifiers, ``message`` says what to do."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def refusal(refused: Refused) -> web.Response:
    """The answer to a client whose request has to change."""
    return _error(400, refused.code, refused.message, kind=_INVALID, param=refused.param)


def failure(status: int, code: str, message: str, *, retry_after: int | None = None) -> web.Response:
    """The answer to a client that did nothing wrong; ``retry_after`` is in seconds."""
    return _error(status, code, message, kind=_OURS, param=None, retry_after=retry_after)


def _error(
    status: int, code: str, message: str, *, kind: str, param: str | None, retry_after: int | None = None
) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"error": {"code": code, "message": message, "param": param, "type": kind}}
    return web.json_response(body, status=status, headers=headers)
