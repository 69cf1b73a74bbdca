"""Which template do many monolithic messages share?

The rule: a proposal is a suggestion for a person to read, never used on its own, so it errs on the side of data: a hole
is the user's only where the text before it says so. Work is bounded: a few long-enough messages of a group give the
shared text, token by token; the rest are only matched against it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, Literal

from gateway.domain.errors import InvalidField
from gateway.domain.model import Template
from gateway.domain.value import value
from gateway.pipeline.unmix import match_templates, parse_template

_MAX_TEXTS: Final = 500
_MAX_CHARS: Final = 20_000
_SAMPLE: Final = 12
_MAX_PROPOSALS: Final = 8
_MAX_GROUPS: Final = 16
_MIN_COVERED: Final = 3
_EDGE_TOKENS: Final = 3
_MIN_SHARED: Final = 12
_MIN_LITERAL: Final = 8

_TOKEN: Final = re.compile(r"\n|\S+[^\S\n]*|[^\S\n]+")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ASKING: Final = re.compile(r"(?:question|query|request|instructions?|task|user|command)\W*\Z", re.IGNORECASE)


@value
class Proposal:
    """A template's source, for ``templates:`` in the configuration, and how many of the messages it splits."""

    source: str
    covered: int


@value
class _Shared:
    """A token that every text so far has in this order; ``after_gap``: some text has something else before it."""

    token: str
    after_gap: bool


def propose(texts: Sequence[str]) -> tuple[Proposal, ...]:
    """Templates that each split at least three of the messages, those that split most first."""
    left = [text for text in texts[:_MAX_TEXTS] if text.strip()]
    found: list[Proposal] = []
    for ends in (False, True):
        for group in _groups(left, ends=ends):
            source = _source_of([text for text in group if len(text) <= _MAX_CHARS][:_SAMPLE])
            unsplit = left if source is None else _unsplit(source, left)
            if source is not None and len(left) - len(unsplit) >= _MIN_COVERED:
                found.append(Proposal(source=source, covered=len(left) - len(unsplit)))
                left = unsplit
    return tuple(sorted(found, key=lambda proposal: -proposal.covered)[:_MAX_PROPOSALS])


def _groups(texts: Iterable[str], *, ends: bool) -> list[list[str]]:
    """Texts that begin (or end) with the same few tokens, the largest group first."""
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for text in texts:
        tokens = _TOKEN.findall(text[-_MAX_CHARS:] if ends else text[:_MAX_CHARS])
        groups[tuple(tokens[-_EDGE_TOKENS:] if ends else tokens[:_EDGE_TOKENS])].append(text)
    return sorted((group for group in groups.values() if len(group) >= _MIN_COVERED), key=len, reverse=True)[
        :_MAX_GROUPS
    ]


def _source_of(texts: Sequence[str]) -> str | None:
    if len(texts) < 2:
        return None
    shared, open_end = _shared(texts)
    return _source(shared, open_end=open_end)


def _unsplit(source: str, texts: Sequence[str]) -> list[str]:
    try:
        template = parse_template("proposed", source)
    except ValueError:  # what is shared cannot be written as literals that tell the holes apart
        return list(texts)
    return [text for text in texts if not _splits(template, text)]


def _splits(template: Template, text: str) -> bool:
    try:
        return match_templates(text, [template]) is not None
    except InvalidField:
        return False


def _shared(texts: Sequence[str]) -> tuple[list[_Shared], bool]:
    """What all texts have in the same order, and whether any has more after it."""
    shared = [_Shared(token=token, after_gap=False) for token in _TOKEN.findall(texts[0])]
    open_end = False
    for text in texts[1:]:
        shared, more = _common(shared, _TOKEN.findall(text))
        open_end = open_end or more
    return shared, open_end


def _common(shared: list[_Shared], tokens: list[str]) -> tuple[list[_Shared], bool]:
    blocks = SequenceMatcher(None, [item.token for item in shared], tokens).get_matching_blocks()
    kept: list[_Shared] = []
    done, read = 0, 0
    for block in blocks:
        gap = block.a > done or block.b > read
        for offset, item in enumerate(shared[block.a : block.a + block.size]):
            kept.append(_Shared(token=item.token, after_gap=item.after_gap or (gap and offset == 0)))
        if block.size:
            done, read = block.a + block.size, block.b + block.size
    return kept, done < len(shared) or read < len(tokens)


def _source(shared: list[_Shared], *, open_end: bool) -> str | None:
    """Literals long enough to be meant, with holes between them; None where too little is shared or nothing differs."""
    literals = ["".join(item.token for item in run) for run in _runs(shared)]
    starts_open = bool(shared) and shared[0].after_gap
    last = len(literals) - 1
    fixed = [
        (literal, index == 0 and not starts_open, index == last and not open_end)
        for index, literal in enumerate(literals)
        if (index in (0, last) and not (starts_open and open_end)) or len(literal.strip()) >= _MIN_LITERAL
    ]
    if sum(len(literal.strip()) for literal, _, _ in fixed) < _MIN_SHARED:
        return None
    parts: list[str] = []
    names: list[str] = []
    before = ""
    for literal, at_start, _ in fixed:
        if not at_start:
            parts.append(_hole(before, names))
        # A backslash or brace before a hole would be read with the hole's own braces, so it is left to the hole.
        before = literal.rstrip("\\{")
        parts.append(before.replace("{{", "\\{{"))
    if not fixed[-1][2]:
        parts.append(_hole(before, names))
    return "".join(parts) if names else None


def _runs(shared: list[_Shared]) -> Iterable[list[_Shared]]:
    run = 0
    numbered: list[tuple[int, _Shared]] = []
    for item in shared:
        run += item.after_gap
        numbered.append((run, item))
    return ([item for _, item in group] for _, group in groupby(numbered, key=lambda pair: pair[0]))


def _hole(before: str, names: list[str]) -> str:
    """A hole named for the last word before it."""
    channel: Literal["user", "data"] = "user" if _ASKING.search(before) else "data"
    words = _WORD.findall(before)
    name = words[-1].lower()[:40] if words else "text"
    while name in names:
        name = f"{name}_{len(names) + 1}"
    names.append(name)
    return f"{{{{{name}: {channel}}}}}"
