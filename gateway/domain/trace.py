"""To which trace does a request belong?

W3C Trace Context, level 1: ``00-TRACE-SPAN-FLAGS``. A header that is not so is as good as none, and a new trace begins.
"""

import re
from typing import Final

from gateway.domain.drawn import drawn_digits
from gateway.domain.value import value

_HEADER: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ZEROS: Final = frozenset({b"0" * 16, b"0" * 32})
_SAMPLED: Final = 1


@value
class Trace:
    """``id`` is the trace's, ``span`` the gateway's own within it, ``call`` that of its upstream calls.

    All in hexadecimal digits. ``parent`` is the caller's span, ``sampled`` what the caller said of recording; both are
    None where no caller said anything.
    """

    id: str
    span: str
    call: str
    parent: str | None = None
    sampled: bool | None = None

    def upstream(self, *, sampled: bool) -> str:
        """The header for upstream calls."""
        return f"00-{self.id}-{self.call}-{'01' if sampled else '00'}"


def trace_of(header: bytes | None) -> Trace:
    """The trace that the header ``traceparent`` names, or a new one."""
    drawn = drawn_digits()
    span, call = drawn[:16], drawn[16:]
    found = None if header is None else _HEADER.fullmatch(header)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5]) or _ZEROS & {found[2], found[3]}:
        return Trace(id=drawn_digits(), span=span, call=call)
    return Trace(
        id=found[2].decode(),
        span=span,
        call=call,
        parent=found[3].decode(),
        sampled=bool(int(found[4], 16) & _SAMPLED),
    )
