"""Which events does a stream of server-sent bytes hold?

No I/O: bytes in, events out, whatever the cuts between the bytes. Follows the event stream format of the WHATWG HTML
standard (section 9.2.6): lines end in CR, LF or CRLF, a byte order mark may come first, a blank line ends an event, an
event that the end of the stream cuts off is no event. Data stays bytes: the JSON parser behind it checks the UTF-8.
"""

from typing import TypeAlias

from gateway.domain.errors import UpstreamGarbled

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# One event: its data lines joined with LF, and its name, empty where none was given.
Event: TypeAlias = tuple[bytes, bytes]


class SseDecoder:
    """Feed it the body's chunks. ``limit`` bounds, in bytes, what one event may hold and so what is ever kept."""

    def __init__(self, *, target: str, limit: int = 1 << 20) -> None:
        self._target = target
        self._limit = limit
        self._started = False
        self._after_cr = False
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._data: list[bytes] = []
        self._event_size = 0
        self._name = b""

    def feed(self, chunk: bytes) -> list[Event]:
        """Every event that ``chunk`` completes.

        Raises:
            UpstreamGarbled: an event is longer than the limit.
        """
        # Nothing but whole events of one line of data each: so servers send tokens.
        plain = (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and self._started
            and not (self._rest or self._event_size or self._after_cr)
            and len(chunk) <= self._limit
            and b"\r" not in chunk
        )
        if not plain:
            return self._feed_lines(chunk)
        line_feeds = chunk.count(b"\n")
        if line_feeds == 2:
            return [(chunk[6:-2], b"")]
        messages = chunk[6:-2].split(b"\n\ndata: ")
        # Any other line feed ends a line of something else.
        return [(data, b"") for data in messages] if line_feeds == 2 * len(messages) else self._feed_lines(chunk)

    def _feed_lines(self, chunk: bytes) -> list[Event]:
        if self._after_cr and chunk:
            # The CR ended its line already; an LF right after it belongs to the same line end.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\n" not in chunk and b"\r" not in chunk:
            self._keep(chunk)
            return []
        lines = self._take_lines(chunk)
        events: list[Event] = []
        for line in lines:
            if line:
                self._field(line)
            elif (event := self._end_event()) is not None:
                events.append(event)
        return events

    def _take_lines(self, chunk: bytes) -> list[bytes]:
        self._rest.append(chunk)
        lines = b"".join(self._rest).splitlines()
        self._rest.clear()
        self._rest_size = 0
        self._after_cr = chunk.endswith(b"\r")
        if not self._after_cr and not chunk.endswith(b"\n"):
            self._keep(lines.pop())
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        return lines

    def _keep(self, part: bytes) -> None:
        if part:
            self._rest.append(part)
            self._rest_size += len(part)
            self._check(self._rest_size)

    def _field(self, line: bytes) -> None:
        self._event_size += len(line)
        self._check(self._event_size)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _end_event(self) -> Event | None:
        data, name = self._data, self._name
        self._event_size, self._name = 0, b""
        if not data:
            return None
        self._data = []
        return data[0] if len(data) == 1 else b"\n".join(data), name

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamGarbled(
                f"Target {self._target}: one event of the stream is over {self._limit} bytes. "
                "Check that the upstream streams server-sent events.",
                target=self._target,
            )
