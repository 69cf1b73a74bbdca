"""What does the status of an HTTP answer say about what was sent?"""

import email.utils
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import httpx

from gateway.audit.ship.failure import NotTaken

_COMES_BACK: Final = frozenset({408, 409, 425, 429})
# More than any signed note.
LONGEST: Final = 64 * 1024


def expect_taken(status: int, headers: Mapping[str, str]) -> None:
    """Let a status of success pass.

    Raises:
        NotTaken: it is none. 3xx and most of 4xx are for good, since the same will be refused again.
    """
    if 200 <= status < 300:
        return
    for_good = 300 <= status < 500 and status not in _COMES_BACK
    raise NotTaken(f"HTTP {status}", for_good=for_good, retry_after=_retry_after(headers.get("retry-after")))


async def beginning(answer: httpx.Response, most: int = LONGEST) -> bytes:
    """A body as it is sent, or its beginning of more than ``most`` bytes.

    A short one is read to its end, so that its connection can be used on.
    """
    found = bytearray()
    async for piece in answer.aiter_raw():
        found += piece
        if len(found) > most:
            break
    return bytes(found)


def _retry_after(said: str | None) -> float | None:
    """The seconds of RFC 9110, section 10.2.3: a number, or a date; None where it is neither."""
    if said is None:
        return None
    if said.isascii() and said.isdigit() and len(said) < 10:
        return float(said)
    with suppress(ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    return None
