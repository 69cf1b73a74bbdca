"""Which stretch of a text belongs to which channel?"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from gateway.domain.value import value

Channel: TypeAlias = Literal["literal", "user", "data"]


@value
class Span:
    """``text[start:end]``, counted in characters, is of one channel.

    ``literal`` is text that the application's own template or mark fixes, ``user`` an instruction, ``data`` what must
    never steer. ``origin`` names the hole, the template or the mark it comes from.
    """

    start: int
    end: int
    channel: Channel
    origin: str


def paint(length: int, layers: Sequence[Span], ground: Span) -> tuple[Span, ...]:
    """Cover ``length`` characters with ``ground``, and over it ``layers``, the strongest first; merge neighbours."""
    edges = sorted({0, length} | {edge for span in layers for edge in (span.start, span.end)})
    pieces = (
        (start, end, next((span for span in layers if span.start <= start and end <= span.end), ground))
        for start, end in pairwise(edges)
    )
    return tuple(_merged(pieces))


def _merged(pieces: Iterable[tuple[int, int, Span]]) -> list[Span]:
    spans: list[Span] = []
    for start, end, of in pieces:
        begin = start
        if spans and (spans[-1].channel, spans[-1].origin) == (of.channel, of.origin):
            begin = spans.pop().start
        spans.append(Span(start=begin, end=end, channel=of.channel, origin=of.origin))
    return spans
