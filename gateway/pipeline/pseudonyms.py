"""Which placeholder stands for which value in one request, and where may the value come back?

A value that policy wants hidden from the model travels as ``<EMAIL_1>``. The map lives in memory for one request and
nowhere else. A value never comes back where a client would fetch it by itself (a URL, an HTML tag, a link's target,
CSS) unless a rule permits it: a model that was talked into it could send it to whom it likes.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from gateway.pipeline.edits import Replacement, replaced

_PLACEHOLDER: Final = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9]+>")
_NOT_LABEL: Final = re.compile(r"[^A-Z0-9]+")
_LABELS: Final = {"EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP"}
# What a client wrote that looks like a placeholder travels as one: it comes back as it was, wherever it stands.
_LITERAL: Final = "LITERAL"

# Where no value comes back. Placeholders are blanked to underscores first, so that they are part of what they stand in.
_FENCES: Final = (
    # A tag, by the tokenizer of HTML: names, and values quoted or not; one that is not closed reaches to the end.
    re.compile(
        r"<[a-z/!?][^\t\n\f\r />]*+"
        r"(?:[\t\n\f\r /]++"
        r"|=?[^\t\n\f\r />=]++"
        r"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"
        r"(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >\"'][^\t\n\f\r >]*+)?)?"
        r"|=)*+>?",
        re.IGNORECASE,
    ),
    # Markdown's targets: of links and images, and of references, which may stand on the next line.
    re.compile(r"\]\(\s*+(?:<[^>\n]*+>?)?+[^)]*+\)?"),
    re.compile(r"\]:[ \t]*+\n?+[^\n]*+"),
    re.compile(r"url\([^)]*+|@import[^;]*+", re.IGNORECASE),
    # A text that is a URL from its beginning: an argument with blanks in its query.
    re.compile(r"\A\s*+[a-z][a-z0-9+.-]*+:[/\\][^\n]*+", re.IGNORECASE),
)
# What makes a run without blanks a URL, or lets a client take it for one; browsers read \ as / and one slash as two.
_URL_SIGN: Final = re.compile(
    r"[/\\]{2}|:[/\\]|www\.|(?:mailto|data|javascript|tel|sms|blob|file|ftp|ws|wss|https?):"
    r"|\.[a-z0-9-]+\.[a-z]{2,}|\.[a-z]{2,}[/\\?#:]",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\S+")


class Pseudonyms:
    """The placeholders of one request. True where there are any; its values are never shown."""

    __slots__ = ("_counts", "_placeholders", "_values")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._placeholders: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"<{len(self._values)} pseudonyms>"

    def placeholder(self, kind: str, value: str) -> str:
        """What stands for ``value``: the same for the same value, by number within its kind."""
        return self._of(_label(kind), value)

    def escape(self, text: str) -> str:
        """``text`` with whatever looks like a placeholder replaced, so that it can never be taken for one of ours.

        It is for text in which no placeholder of ours stands yet; ``restore`` brings the text back as it was.
        """
        return replaced(text, self.lookalikes(text))

    def lookalikes(self, text: str) -> list[Replacement]:
        """The replacements that ``escape`` makes, for text that is edited in other places as well."""
        if "<" not in text:
            return []
        return [(found.start(), found.end(), self._of(_LITERAL, found[0])) for found in _PLACEHOLDER.finditer(text)]

    def restore(self, text: str, *, anywhere: bool) -> tuple[str, tuple[tuple[int, int], ...]]:
        """``text`` with its values back, and where in it they stand: start and end of each.

        Without ``anywhere`` placeholders within URLs, tags and link targets stay as they are.
        """
        found = [match for match in _PLACEHOLDER.finditer(text) if match[0] in self._values]
        if not found:
            return text, ()
        fences = _Fences(text, found)
        pieces: list[str] = []
        spans: list[tuple[int, int]] = []
        at = length = 0
        for match in found:
            if not anywhere and not match[0].startswith(f"<{_LITERAL}_") and fences.hold(match.start()):
                continue
            value = self._values[match[0]]
            length += match.start() - at
            spans.append((length, length + len(value)))
            pieces += (text[at : match.start()], value)
            length += len(value)
            at = match.end()
        return "".join([*pieces, text[at:]]), tuple(spans)

    def _of(self, label: str, value: str) -> str:
        known = self._placeholders.get((label, value))
        if known is not None:
            return known
        number = self._counts[label] = self._counts.get(label, 0) + 1
        made = f"<{label}_{number}>"
        self._placeholders[label, value] = made
        self._values[made] = value
        return made


class _Fences:
    """Where in a text no value may come back."""

    def __init__(self, text: str, found: list[re.Match[str]]) -> None:
        spans = sorted(_fenced(_blanked(text, found)))
        self._starts = [start for start, _ in spans]
        self._reach: list[int] = []
        for _, end in spans:
            self._reach.append(max(end, self._reach[-1] if self._reach else 0))

    def hold(self, at: int) -> bool:
        """Whether the character at ``at`` stands within a fence."""
        before = bisect_right(self._starts, at)
        return before > 0 and at < self._reach[before - 1]


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    for fence in _FENCES:
        for match in fence.finditer(text):
            yield match.span()
    for word in _WORD.finditer(text):
        if _URL_SIGN.search(word[0]):
            yield word.span()


def _blanked(text: str, found: list[re.Match[str]]) -> str:
    pieces: list[str] = []
    at = 0
    for match in found:
        pieces += (text[at : match.start()], "_" * (match.end() - match.start()))
        at = match.end()
    return "".join([*pieces, text[at:]])


def _label(kind: str) -> str:
    """A kind's name in placeholders: capitals, digits and underscores."""
    upper = kind.upper()
    label = _NOT_LABEL.sub("_", _LABELS.get(upper, upper)).strip("_")
    return label if label[:1].isalpha() and label != _LITERAL else f"VALUE_{label}".rstrip("_")
