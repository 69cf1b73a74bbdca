r'''Which part of a message has the application already marked as material, for other systems?

Two marks are known: Azure's block for Prompt Shields, documented as ``""" <documents> … </documents> """``, and Amazon
Bedrock's guard-content tags, ``<amazon-bedrock-guardrails-guardContent_suffix>`` with a suffix of the caller's own.

The rule: from the first opening to the last closing is data; without a closing after it, data goes to the end. What
counts as a mark is read generously (any case, blanks, attributes, any suffix), since a mark too many can only make more
of the text data. A mark with anything but its name in it is part of the data, for its attributes may be hostile too.
'''

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from gateway.domain.value import value
from gateway.pipeline._span import Span, paint


@value
class _Mark:
    """``opening`` and ``closing`` find a tag's beginning, ``before`` and ``after`` a mark in its plain form."""

    origin: str
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    plain_opening: re.Pattern[str]
    plain_closing: re.Pattern[str]


def _mark(origin: str, name: str, fence: str) -> _Mark:
    return _Mark(
        origin=origin,
        opening=re.compile(rf"<\s*{name}(?![\w.:-])", re.IGNORECASE),
        closing=re.compile(rf"<\s*/\s*{name}(?![\w.:-])", re.IGNORECASE),
        plain_opening=re.compile(rf"<{name}>", re.IGNORECASE),
        plain_closing=re.compile(rf"</{name}>(?:[ \t\r\n]{{0,8}}{fence})?", re.IGNORECASE),
    )


_FENCE: Final = re.compile(r'"""[ \t\r\n]{0,8}\Z')
_MARKS: Final = (
    _mark("azure-documents", "documents", '"""'),
    _mark("bedrock-guard-content", r"amazon-bedrock-guardrails-guardContent(?:_[\w-]*)?", "(?!)"),
)


def marked_spans(text: str) -> tuple[Span, ...]:
    """Spans that cover the text: data, marks (``literal``) and the rest (``user``). Empty where nothing is marked.

    The marks say nothing any more once the data travels apart.
    """
    if "<" not in text:
        return ()
    blocks = [block for mark in _MARKS if (block := _block(text, mark)) is not None]
    if not blocks:
        return ()
    data = [span for block in blocks for span in block if span.channel == "data"]
    marks = [span for block in blocks for span in block if span.channel == "literal"]
    return paint(len(text), data + marks, Span(start=0, end=len(text), channel="user", origin="message"))


def marked_parts(texts: Sequence[str]) -> tuple[tuple[Span, ...], ...]:
    """The same for a message of several parts, whose marks may open in one part and close in another.

    Positions count within each part. Where nothing is marked, each part has no spans; a part may also be empty.
    """
    spans = marked_spans("".join(texts))
    parts: list[tuple[Span, ...]] = []
    begin = 0
    for text in texts:
        end = begin + len(text)
        parts.append(tuple(_within(span, begin, end) for span in spans if span.start < end and begin < span.end))
        begin = end
    return tuple(parts)


def _within(span: Span, begin: int, end: int) -> Span:
    return Span(
        start=max(span.start, begin) - begin,
        end=min(span.end, end) - begin,
        channel=span.channel,
        origin=span.origin,
    )


def _block(text: str, mark: _Mark) -> tuple[Span, Span, Span] | None:
    """A mark's opening, data and closing, each as long as it is."""
    opening = mark.opening.search(text)
    if opening is None:
        return None
    inside = opening.start()
    before = inside
    if plain := mark.plain_opening.match(text, inside):
        fence = _FENCE.search(text, max(0, inside - 11), inside)
        before, inside = fence.start() if fence else inside, plain.end()
    outside, after = _end(text, mark, inside)
    return (
        Span(start=before, end=inside, channel="literal", origin=mark.origin),
        Span(start=inside, end=outside, channel="data", origin=mark.origin),
        Span(start=outside, end=after, channel="literal", origin=mark.origin),
    )


def _end(text: str, mark: _Mark, inside: int) -> tuple[int, int]:
    """Where the data ends, and where the closing mark ends."""
    closings = deque(mark.closing.finditer(text, inside), maxlen=1)
    if not closings:
        return len(text), len(text)
    last = closings[0]
    if plain := mark.plain_closing.match(text, last.start()):
        return last.start(), plain.end()
    close = text.find(">", last.end())
    end = len(text) if close < 0 else close + 1
    return end, end
