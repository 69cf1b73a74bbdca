"""Does a text hold keys, tokens or passwords?

Places are searched for in the folded text, so that invisible characters hide nothing; what stands there is judged as it
is written, since case matters in a secret. The rule: what makes ``found`` true lies within ``LONGEST`` characters;
what of a secret stands beyond them is marked too, and says so in ``long``.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from gateway.detectors._candidates import TooManyCandidates, candidates
from gateway.detectors._compatible import compatible
from gateway.detectors._folding import IGNORABLE_RANGES
from gateway.detectors._secret_formats import FORMATS, Format
from gateway.detectors._secret_values import (
    ASSIGNED,
    ASSIGNMENT,
    ASSIGNMENT_HINT,
    ASSIGNMENT_LONGEST,
    CREDENTIALS,
    HEADER,
    HEADER_LONGEST,
    URL,
    URL_HINT,
    URL_LONGEST,
    URL_NAME_LONGEST,
    is_secret,
    is_url_password,
)
from gateway.detectors._secret_values import LONGEST as VALUE_LONGEST
from gateway.detectors.regex import Pattern
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject
from gateway.domain.value import value

# One more, for the character before, which decides whether a word begins.
LONGEST: Final = 1 + max(*(kind.longest for kind in FORMATS), ASSIGNMENT_LONGEST, HEADER_LONGEST, URL_LONGEST)

FACTS: Final = (
    Fact(
        name="det.secrets.found",
        type=FactType.BOOL,
        doc="Whether there is a key, a token, a private key's header, a URL with a password, or a password or key "
        "given to a name (`api_key = …`) that is neither an example nor a variable.",
        longest=LONGEST,
    ),
    Fact(
        name="det.secrets.verified",
        type=FactType.BOOL,
        doc="Whether one of them is proven by what it holds: its checksum (GitHub, npm), its header (JWT).",
        longest=LONGEST,
    ),
    Fact(name="det.secrets.count", type=FactType.INT, doc="How many."),
    Fact(
        name="det.secrets.kinds",
        type=FactType.STRINGS,
        doc="Which: `aws_access_key`, `github_token`, `jwt`, `private_key`, …; `url_password`; `assignment`.",
        closed=True,
    ),
    Fact(
        name="det.secrets.long",
        type=FactType.BOOL,
        doc=f"Whether one of them goes on beyond {LONGEST} characters or to an end of its own: private keys, JWTs. "
        "Redacting the whole of it needs the whole text.",
    ),
)

_TOKENS: Final = Pattern("(?i)" + "|".join(kind.search for kind in FORMATS))
_EXACT: Final = tuple((kind, re.compile(kind.pattern, re.ASCII)) for kind in FORMATS)
# By the first two characters, those that may begin with anything under each.
_BY_START: Final = {
    first: tuple(pair for pair in _EXACT if not pair[0].starts or first in {start[:2] for start in pair[0].starts})
    for first in {start[:2] for kind in FORMATS for start in kind.starts}
}
_ANYHOW: Final = tuple(pair for pair in _EXACT if not pair[0].starts)
_VALUES: Final = ((Pattern(ASSIGNMENT), ASSIGNED), (Pattern(HEADER), CREDENTIALS))
_URL: Final = Pattern(URL)

_INVISIBLE: Final = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in IGNORABLE_RANGES) + "]+")
# What any format's last repeat takes.
_TAIL: Final = re.compile(r"[a-z0-9_.=+/~%-]+")
_TOKEN_REST: Final = re.compile(r"[A-Za-z0-9_.=+/-]*")
_VALUE_REST: Final = re.compile(r"""[^\s"'`<>,;]*""")
# How far a private key may go on: RSA of 16,384 bits is 12,700 characters.
_KEY_LONGEST: Final = 16_384
_KEY_END: Final = re.compile(
    r"-----END [A-Z0-9 ]{0,48}-----|---- END [A-Z0-9 ]{0,48} ----|Private-MAC: [0-9a-f]{40,64}"
)


@value
class _Secret:
    kind: str
    start: int
    end: int
    proven: bool = False
    long: bool = False


class Secrets:
    """``det.secrets``."""

    name = "secrets"
    facts = FACTS
    patterns = (
        *sorted({re.escape(start) for kind in FORMATS for start in kind.starts}),
        *(kind.hint for kind in FORMATS if kind.hint),
        ASSIGNMENT_HINT,
        URL_HINT,
    )

    def detect(self, text: Text, subject: Subject) -> Detection:
        del subject
        seen: list[_Secret] = []
        failed = None
        try:
            seen.extend(chain(_tokens(text), _values(text), _urls(text)))
        except TooManyCandidates:
            failed = "limit"
        found = _merged(seen)
        if not found:
            return Detection(failed=failed) if failed else QUIET
        return Detection(
            facts={
                "det.secrets.found": True,
                "det.secrets.verified": any(one.proven for one in found),
                "det.secrets.count": len(found),
                "det.secrets.kinds": tuple(sorted({one.kind for one in found})),
                "det.secrets.long": any(one.long for one in found),
            },
            marks=tuple(Mark(kind=one.kind, start=one.start, end=one.end) for one in found),
            failed=failed,
        )


def _written(text: Text, start: int, end: int) -> str:
    """What stands there with its case kept, less what is invisible."""
    piece = text.original[slice(*text.span(start, end))]
    if piece.isascii():
        return piece
    return compatible(_INVISIBLE.sub("", piece))


def _tokens(text: Text) -> Iterator[_Secret]:
    reached = 0
    for start, end in candidates(_TOKENS, text.matching):
        if reached and text.span(start, end)[1] <= reached:
            continue
        tail = _TAIL.match(text.matching, end, end + LONGEST)
        shown = _written(text, start, tail.end() if tail else end)
        for kind, exact in _BY_START.get(text.matching[start : start + 2], _ANYHOW):
            hit = exact.match(shown)
            if hit is None or (proof := kind.proof(hit.group())) is False:
                continue
            if "example" not in hit.group().lower():
                secret = _marked(text, kind, (start, start + hit.end()), proven=proof is True)
                reached = secret.end
                yield secret
            break


def _marked(text: Text, kind: Format, place: tuple[int, int], *, proven: bool) -> _Secret:
    start, _ = text.span(place[0], place[0] + 1)
    _, end = text.span(place[1] - 1, place[1])
    whole = _end_of(text.original, kind, start, end)
    return _Secret(kind=kind.kind, start=start, end=whole, proven=proven, long=whole > end)


def _end_of(original: str, kind: Format, start: int, end: int) -> int:
    """Where the secret ends that is known by the characters from ``start`` to ``end``."""
    if kind.kind == "private_key":
        closing = _KEY_END.search(original, end, end + _KEY_LONGEST)
        return closing.end() if closing else min(len(original), end + _KEY_LONGEST)
    if kind.kind == "jwt" or end - start >= kind.longest > 200:
        rest = _TOKEN_REST.match(original, end)
        return rest.end() if rest else end
    return end


def _values(text: Text) -> Iterator[_Secret]:
    for pattern, rest in _VALUES:
        reached = 0
        for start, end in candidates(pattern, text.matching, 1):
            # What stands in a value is none by itself.
            if start < reached:
                continue
            whole = rest.match(text.matching, start, start + VALUE_LONGEST)
            reached = whole.end() if whole else end
            if is_secret(_written(text, start, reached)):
                yield _value(text, "assignment", start, reached)


def _urls(text: Text) -> Iterator[_Secret]:
    for start, end in candidates(_URL, text.matching, 1):
        scheme = text.matching.rfind("://", max(0, start - URL_NAME_LONGEST), start)
        if end - start <= VALUE_LONGEST and scheme >= 0 and is_url_password(_written(text, start, end)):
            yield _value(text, "url_password", start, end)


def _value(text: Text, kind: str, start: int, end: int) -> _Secret:
    first, last = text.span(start, end)
    if end - start < VALUE_LONGEST:
        return _Secret(kind=kind, start=first, end=last)
    rest = _VALUE_REST.match(text.original, last)
    whole = rest.end() if rest else last
    return _Secret(kind=kind, start=first, end=whole, long=whole > last)


def _merged(found: list[_Secret]) -> list[_Secret]:
    """In order, none over another: what overlaps is one secret of the kind that was found first."""
    merged: list[_Secret] = []
    for one in sorted(found, key=lambda secret: secret.start):
        last = merged[-1] if merged else None
        if last is None or one.start >= last.end:
            merged.append(one)
            continue
        named = one if last.kind == "assignment" else last
        merged[-1] = _Secret(
            kind=named.kind,
            start=last.start,
            end=max(last.end, one.end),
            proven=last.proven or one.proven,
            long=last.long or one.long,
        )
    return merged
