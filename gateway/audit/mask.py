"""Which texts of an exchange may be kept at all, even encrypted?

What was sent is kept as it was sent. Of a request that was refused only what no rule wanted gone: every span that a
redaction or a placeholder was to replace becomes a mark of its kind. Media and the arguments of tool calls are never
kept as text. A tool name that nobody offered is the model's own text, and a word for an ending that is not OpenAI's
the upstream's, neither of which a record's line or a span may hold.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from gateway.domain.prompt import Media, Prompt
from gateway.domain.verdict import Edit, Findings
from gateway.pipeline.edits import disjoint, replaced
from gateway.pipeline.lift import tool_origin
from gateway.pipeline.seams import spread
from gateway.pipeline.subjects import NAMES, prompt_seams, segment_places

# Stands in records for the name of a tool that the request did not offer.
UNOFFERED: Final = "(unoffered)"
# Begins the origin of a tool's result, and of a call's arguments.
TOOL: Final = "tool:"
# Stands for a word that an upstream has of its own.
OTHER: Final = "(other)"
_ENDINGS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call", "error"})


def kept(prompt: Prompt, edits: Sequence[Edit]) -> Mapping[str, str]:
    """The texts that may be kept, by the places that ``subjects.py`` of the pipeline gives their segments.

    ``edits`` are those of a request that was refused, and none where ``prompt`` is what was sent.
    """
    by_place: dict[str, list[Edit]] = {}
    if edits:
        for edit in spread(Findings(edits=tuple(edits)), prompt_seams(prompt)).edits:
            by_place.setdefault(edit.where, []).append(edit)
    return {
        where: masked(segment.text, by_place.get(where, ()))
        for _, segments in segment_places(prompt)
        for segment, where in segments
        if not isinstance(segment, Media)
    }


def masked(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with a mark in place of every span that ``edits`` name."""
    return replaced(text, disjoint([(edit.start, edit.end, f"[{edit.kind}]") for edit in edits]))


def hides_names(edits: Iterable[Edit]) -> bool:
    """Whether a rule wanted part of the names gone that a client gave to segments, messages or origins.

    A record must then call its segments by numbers of its own.
    """
    return NAMES in [edit.where for edit in edits]


def masked_name(name: str, offered: Collection[str]) -> str:
    """The name of a called tool as a record may hold it."""
    return name if name in offered else UNOFFERED


def masked_origin(origin: str, offered: Collection[str]) -> str:
    """The origin of a tool's result likewise: which tool that is was the model's to name."""
    if not origin.startswith(TOOL):
        return origin
    return origin if origin in map(tool_origin, offered) else f"{TOOL}{UNOFFERED}"


def masked_ending(reason: str) -> str:
    """Why a choice ended, as evidence may hold it."""
    return reason if reason in _ENDINGS else OTHER
