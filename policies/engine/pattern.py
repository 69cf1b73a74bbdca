"""Is a pattern one that is searched for in linear time? RE2's syntax has no other."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Final

import re2

_MAX_MEM: Final = 8 << 20


def wrong_with_pattern(source: str) -> str | None:
    """Why ``source`` cannot be searched for, in words that say what to write; None where it can."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEM
    try:
        matches_nothing = re2.compile(source, options).search("") is not None
    except (re2.error, UnicodeError):
        return "is no regular expression in RE2's syntax, which has no look-around and no back-references"
    return "matches the empty text: it would be found everywhere" if matches_nothing else None
