"""How are the gateway's datamarks taken out of an answer again?"""

import re


class Unmark:
    """Takes one request's datamark, a single character, out of texts and of JSON that may write it as an escape."""

    __slots__ = ("_escaped", "_mark", "marked")

    def __init__(self, mark: str | None) -> None:
        self._mark = mark
        self.marked = mark is not None
        self._escaped = None if mark is None else re.compile(rf"(?<!\\)((?:\\\\)*)\\u{ord(mark):04x}", re.IGNORECASE)

    def text(self, text: str) -> str:
        return text if self._mark is None else text.replace(self._mark, "")

    def json(self, text: str) -> str:
        """The same for whole JSON: an escape that came in pieces is put together first."""
        return text if self._escaped is None else self._escaped.sub(r"\1", self.text(text))
