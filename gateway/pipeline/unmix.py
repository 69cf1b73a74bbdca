"""Which characters of a monolithic message are data?

The rule: a character is instruction only if every possible parse of every matching template says so. With the
template's literals placed as early and as late as they can be, a hole reaches at most from the earliest end of the
literal before it to the latest start of the one after it, and each character in there is in the hole in some parse.
What any data hole can reach is data; of the rest, what any user hole can reach is the user's; what is left is the same
literal in every parse. A literal comes in a user's message, yet is the application's own program: it stands in the
configuration, word for word.

``marked_spans`` does the same for text marked for other systems (``_marks.py``).
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import add, sub

from gateway.domain.errors import InvalidField
from gateway.domain.model import Hole, Template
from gateway.domain.value import value
from gateway.pipeline._marks import marked_parts, marked_spans
from gateway.pipeline._span import Span, paint
from gateway.pipeline._template import check_template, parse_template

__all__ = ["Span", "marked_parts", "marked_spans", "match_templates", "parse_template"]


@value
class _Shape:
    """A template with a literal, empty ones included, on each side of each hole; ``mirrored`` are read backwards."""

    name: str
    holes: tuple[Hole, ...]
    literals: tuple[str, ...]
    mirrored: tuple[str, ...]


@value
class _Reach:
    """What a hole reaches at most, over all parses of one template, and the part that is in it in each of them."""

    span: Span
    sure_start: int
    sure_end: int


def match_templates(text: str, templates: Sequence[Template], *, param: str | None = None) -> tuple[Span, ...] | None:
    """Spans that cover the text, or None where no template matches. Time is linear in the text for each template.

    Raises:
        InvalidField: an instruction hole has text that could all be data; ``param`` is the message's path.
    """
    shapes = [shape for template in templates if _could_match(text, shape := _shape(template))]
    mirror = text[::-1] if shapes else ""
    matching = {shape.name: reach for shape in shapes if (reach := _reaches(text, mirror, shape)) is not None}
    if not matching:
        return None
    reaches = [reach for found in matching.values() for reach in found]
    data = [reach.span for reach in reaches if reach.span.channel == "data"]
    user = [reach.span for reach in reaches if reach.span.channel == "user"]
    ground = Span(start=0, end=len(text), channel="literal", origin=next(iter(matching)))
    spans = paint(len(text), data + user, ground)
    for reach in reaches:
        if reach.span.channel == "user" and _is_emptied(reach, spans):
            raise InvalidField(
                f"the text of hole {reach.span.origin} cannot be told from data, because the template's literal text "
                "occurs more than once; send the data in a part of its own (type data), or make the literal text "
                "around the hole longer",
                param=param,
            )
    return spans


def _is_emptied(reach: _Reach, spans: tuple[Span, ...]) -> bool:
    """Whether data takes from the hole, and leaves nothing that is in it in every parse of its template."""
    taken = any(_overlap(span, reach.span.start, reach.span.end) for span in spans if span.channel == "data")
    left = any(_overlap(span, reach.sure_start, reach.sure_end) for span in spans if span.channel == "user")
    return taken and not left


def _overlap(span: Span, start: int, end: int) -> bool:
    return max(span.start, start) < min(span.end, end)


def _could_match(text: str, shape: _Shape) -> bool:
    return text.startswith(shape.literals[0]) and text.endswith(shape.literals[-1])


def _reaches(text: str, mirror: str, shape: _Shape) -> tuple[_Reach, ...] | None:
    """Where each hole reaches, those that are always empty left out; None where the template does not match."""
    first, *between, last = shape.literals
    early = _ends_of_each(text, first, between, len(text) - len(last))
    # Found backwards with find, whose worst case is linear, as rfind's is not.
    mirrored = early and _ends_of_each(mirror, shape.mirrored[0], shape.mirrored[1:-1], len(text) - len(first))
    if early is None or mirrored is None:
        return None
    late = [len(text) - end for end in reversed(mirrored)]
    sizes = [len(literal) for literal in between]
    sure_starts = [early[0], *map(add, late, sizes)]
    sure_ends = [*map(sub, early[1:], sizes), late[-1]]
    return tuple(
        _Reach(
            span=Span(start=start, end=end, channel=hole.channel, origin=hole.name),
            sure_start=sure_start,
            sure_end=sure_end,
        )
        for hole, start, end, sure_start, sure_end in zip(shape.holes, early, late, sure_starts, sure_ends, strict=True)
        if start < end
    )


def _ends_of_each(text: str, first: str, between: Sequence[str], limit: int) -> list[int] | None:
    """Where the first literal and each of those between end, each as early as it can, none beyond ``limit``."""
    ends = [len(first)]
    for literal in between:
        found = text.find(literal, ends[-1], limit)
        if found < 0:
            return None
        ends.append(found + len(literal))
    return ends if ends[-1] <= limit else None


@lru_cache(maxsize=1024)
def _shape(template: Template) -> _Shape:
    check_template(template)
    literals = [""]
    holes: list[Hole] = []
    for part in template.parts:
        if isinstance(part, Hole):
            holes.append(part)
            literals.append("")
        else:
            literals[-1] += part
    mirrored = tuple(literal[::-1] for literal in reversed(literals))
    return _Shape(name=template.name, holes=tuple(holes), literals=tuple(literals), mirrored=mirrored)
