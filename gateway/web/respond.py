"""How is an answer sent over ASGI?

Once a stream has begun its status stands: an error after that is an event of the stream, made by ``fail``.
"""

from collections.abc import Awaitable, Callable

from gateway.domain.errors import GatewayError
from gateway.web.edge import AsgiMessage, Send


class Response:
    """The ASGI side of one answer; the request's id stands in a second header where ``id_header`` names one.

    ``more`` gives further headers, once the first byte is about to be sent.
    """

    def __init__(
        self,
        send: Send,
        request_id: str,
        id_header: bytes | None = None,
        more: Callable[[], tuple[tuple[bytes, bytes], ...]] = tuple,
    ) -> None:
        self._send = send
        told = request_id.encode()
        also = () if id_header is None else ((id_header, told),)
        self._ids = ((b"x-request-id", told), *also)
        self._more = more
        self.fail: Callable[[GatewayError, int], bytes] | None = None

    async def whole(
        self, status: int, content_type: bytes, content: bytes, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        length = (b"content-length", b"%d" % len(content))
        await self._send(self._start(status, content_type, (length, *headers)))
        await self._send({"type": "http.response.body", "body": content})

    async def start_stream(
        self, headers: tuple[tuple[bytes, bytes], ...], fail: Callable[[GatewayError, int], bytes]
    ) -> None:
        self.fail = fail
        no_buffering = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
        await self._send(self._start(200, b"text/event-stream; charset=utf-8", (*no_buffering, *headers)))

    def more(self, content: bytes) -> Awaitable[None]:
        """Send ``content``, which is not empty."""
        return self._send({"type": "http.response.body", "body": content, "more_body": True})

    async def end(self, content: bytes) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": False})

    def _start(self, status: int, content_type: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> AsgiMessage:
        return {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", content_type), *self._ids, *headers, *self._more()],
        }
