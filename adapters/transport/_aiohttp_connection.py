"""What does a connection of aiohttp's do for each piece of an answer?

Less than aiohttp has it do, by names that it promises nobody. The rule: where one of them is missing, nothing is
changed, and aiohttp's own connections are used.
"""

import asyncio

from aiohttp.client_proto import ResponseHandler


class _Listener(ResponseHandler):
    """A connection that does less for each piece of an answer than aiohttp's own does, and nothing else.

    Its limit for silence runs on one timer, where aiohttp makes one anew for each read: the timer looks how long ago
    something came, and goes on if that is not long enough.
    """

    _heard = 0.0
    _armed_for: float | None = None

    def _reschedule_timeout(self) -> None:
        self._heard = self._loop.time()
        if self._read_timeout_handle is None or self._read_timeout != self._armed_for:
            self._armed_for = self._read_timeout
            super()._reschedule_timeout()

    def _on_read_timeout(self) -> None:
        limit = self._read_timeout or 0.0
        left = self._heard + limit - self._loop.time()
        if left <= 0:
            super()._on_read_timeout()
        else:
            self._read_timeout_handle = self._loop.call_later(left, self._on_read_timeout)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT002  as aiohttp has it
        # Asked for with every piece that is taken; aiohttp would have its parser and the transport look for what is
        # held up, though nothing is.
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


# What ``_Listener`` takes for granted of aiohttp's own class.
_TAKEN_FOR_GRANTED = (
    *("_buffer_paused", "_on_read_timeout", "_read_timeout", "_read_timeout_handle", "_reading_paused"),
    "_reschedule_timeout",
)


def connection_like(own: type[ResponseHandler], loop: asyncio.AbstractEventLoop) -> type[ResponseHandler]:
    """The class of connections: ``own``, which is aiohttp's, where that is another than ``_Listener`` is made for."""
    one = own(loop)
    return _Listener if all(hasattr(one, name) for name in _TAKEN_FOR_GRANTED) else own
