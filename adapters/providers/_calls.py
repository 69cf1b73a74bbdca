"""By which ids do a model's calls go on, and how many calls may there be?

Kept alike for every vendor: the client sends an id back with the call's result.
"""

import re
from hashlib import sha256
from secrets import token_hex
from typing import Final

# So many tool calls may stand in one answer: each is judged on its own.
MOST_CALLS: Final = 1024
# What a client may send back as a call's id.
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def read_call_id(given: str | None) -> str:
    """A call's id as the client will see it, and send it back with the result.

    An id that no client could send back becomes another one, always the same; a missing one is made up.
    """
    if not given:
        return f"call_{token_hex(12)}"
    return given if _CALL_ID.fullmatch(given) else f"call_{sha256(given.encode()).hexdigest()[:24]}"
