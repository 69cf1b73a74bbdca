"""How does ``matches`` match? By RE2, in linear time; the engine's own expressions are never asked.

This is the only file here that knows ``re2``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

from collections.abc import Callable
from typing import Final

import re2

from policies.engine.expression.errors import ConditionError

MAX_PATTERN: Final = 200


def compiled(pattern: str, offset: int) -> Callable[[str], bool]:
    """Whether a text holds a match of ``pattern``.

    Raises:
        ConditionError: it is too long, or no expression of RE2's.
    """
    if len(pattern) > MAX_PATTERN:
        raise ConditionError(f"a pattern has at most {MAX_PATTERN} characters: write several", offset)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        expression = re2.compile(pattern, options)
    except re2.error as exc:
        raise ConditionError("RE2 cannot use this pattern: it knows no lookaround, no back-references", offset) from exc
    return lambda text: expression.search(text) is not None
