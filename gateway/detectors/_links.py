r"""Where in a text are the URLs that a client would fetch by itself, or a person would follow?

Markdown, HTML and CSS are not parsed: each parser has its own idea of quotes, brackets and code spans, and what one
skips another fetches. Instead every place is looked at where one of them may begin a URL, ``](``, ``]:``, ``src=``,
``url(``, and each URL that stands in the text by itself. The rule: where it is open whether a URL is fetched, it is.
"""

import html
import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from gateway.detectors._address import HEAD, Address, read
from gateway.detectors._candidates import candidates
from gateway.detectors._hosts import UNREADABLE
from gateway.detectors._images import Images
from gateway.detectors.regex import Pattern
from gateway.detectors.text import Text
from gateway.domain.value import value

Place: TypeAlias = Literal["link", "image", "reference", "html", "css", "bare"]

# So much of a URL is looked at for what it carries.
_PAYLOAD: Final = 2_048

_ATTRIBUTES: Final = (
    "src|srcset|imagesrcset|href|poster|background|data|action|cite|ping|manifest|codebase|archive|longdesc|lowsrc|dynsrc"
    "|content|style|icon|profile|classid|values|from|to|formaction"
)
# Where a URL may begin in markup.
_OPENINGS: Final = Pattern(rf"(?i)\]\(|\]:|\b(?:{_ATTRIBUTES})\s*=|url\(|@import|image-set\(")
# Where one begins in plain text, folded; ``//`` alone begins one in markup only.
_BARE: Final = (
    r"\b[a-z][a-z0-9+.-]*:[/\\]{2,}[^\s/\\]|\b(?:https?|wss?|ftp):[/\\]?[^\s/\\.,;:!?'\")\]}>]|\bwww\.[^\s.]"
    r"|\b(?:java|vb|live)script:[^\s]|\bdata:[a-z]+/[a-z0-9.+-]+[;,]"
)
_BARE_BEGINS: Final = Pattern(_BARE)
# A word with entities in it, which may spell one.
_ENTITIES: Final = r"&(?:#0*(?:3[3-9]|[4-9][0-9]|1[0-2][0-9])\b|#x0*[2-7][0-9a-f]\b|colon;|sol;|bsol;|period;)"
_CODED: Final = Pattern(rf"(?i)[^\s<>\"]*{_ENTITIES}[^\s<>\"]*")
# A word of more of them is not decoded, and not trusted.
_MOST_ENTITIES: Final = 512
_BARE_INSIDE: Final = re.compile(_BARE, re.IGNORECASE)

HINTS: Final = (
    r"<style",
    r"[/\\][/\\]",
    r"\]\(",
    r"\]:",
    r"[a-z]:[/\\]",
    r"https?:",
    r"www\.",
    r"script:",
    r"data:[a-z]",
    rf"(?:{_ATTRIBUTES})\s*=",
    r"url\(",
    r"@import",
    r"image-set\(",
    _ENTITIES,
)

_TAG: Final = Pattern(r"<[A-Za-z!/?]")
# Elements that fetch, or follow, what an ``href`` names.
_FETCHING_TAG: Final = Pattern(r"(?i)<(?:link|base|image|use|feimage|mpath|animate|set|script)")
_FOLLOWED: Final = frozenset({"href", "action", "cite", "formaction", "ping"})
_MANY: Final = frozenset({"srcset", "imagesrcset", "ping", "archive", "values"})

_SPACES: Final = re.compile(r"\s*")
# A backslash before one of these escapes it; any other is a slash to browsers.
_LEADING: Final = re.compile(r"""(?:[\s"'`<(]|\\(?=["'`<(]))*""")
_QUOTES: Final = re.compile(r"""(?i)\A(?:&quot;|&apos;|&#0*3[49];|&#x0*2[27];|["'`]|\\(?=["'`&]))+""")
_REFRESH: Final = re.compile(r"(?i)\A[\s0-9.]*[;,\s]*(?:url\s*=\s*)?['\"]?")
_WORD_END: Final = re.compile(r"[\s<>\"`]")
_UNQUOTED_END: Final = re.compile(r"[\s>]")
_ENDINGS: Final = {'"': re.compile('"'), "'": re.compile("'"), "<": re.compile(r"[>\n]")}
# One of several URLs in an attribute, if it may be one.
_PART: Final = re.compile(r"[^\s,;]*(?:[:\\&]|//)[^\s,;]*")
_TRAILING: Final = ".,;:!?'\"*_~|]}"
_CSS_ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})\s?|([^\n]))")
_STYLE_SHEET: Final = Pattern(r"(?i)<style\b[^>]*>")
_STYLE_END: Final = re.compile(r"</style", re.IGNORECASE)
_CSS_OPENING: Final = re.compile(r"url\(|@import|image-set\(", re.IGNORECASE)


@value
class Link:
    """A URL in the text; ``fetched`` says whether a client gets it unasked."""

    place: Place
    start: int
    end: int
    address: Address
    fetched: bool = False


def links(text: Text) -> Iterator[Link]:
    """Each URL that has a host of its own, holds its content or runs a script, those in markup first.

    Raises:
        TooManyCandidates: the text is denser with them than any that is read.
    """
    original = text.original if text.ascii else text.original.encode("utf-8", "replace").decode("utf-8")
    taken: list[tuple[int, int]] = []
    for link in _in_markup(original):
        taken.append((link.start, link.end))
        yield link
    place = 0
    for link in _alone(text, original):
        while place < len(taken) and taken[place][1] <= link.start:
            place += 1
        if place == len(taken) or taken[place][0] > link.start:
            yield link
    yield from _coded(original)
    yield from _style_sheets(original)


def _in_markup(original: str) -> Iterator[Link]:
    markup, fetching, reached = _first(_TAG, original), _first(_FETCHING_TAG, original), 0
    images, any_image = Images(original), "![" in original
    for start, end in candidates(_OPENINGS, original):
        opening = original[start:end].lower()
        if start < reached:
            continue
        if opening == "](":
            image = images.closes(start)
            found = _one(original, end, "image" if image else "link", fetched=image)
        elif opening == "]:":
            found = _one(original, end, "reference", fetched=any_image)
        elif not opening.endswith("="):
            found = _one(original, end, "css", fetched=True)
        elif start > markup:
            name = opening[:-1].rstrip()
            found = _attribute(original, name, end, fetched=name not in _FOLLOWED or start > fetching)
        else:
            continue
        for link in found:
            reached = link.end
            yield link


def _first(pattern: Pattern, text: str) -> int:
    return next((start for start, _ in pattern.spans(text)), len(text))


def _one(original: str, at: int, place: Place, *, fetched: bool) -> Iterator[Link]:
    """The URL that begins after the blanks, quotes and brackets at ``at``, if there is one."""
    start = _end(_LEADING, original, at)
    ending = _ENDINGS.get(original[start - 1], _WORD_END) if start > at else _WORD_END
    written = _upto(ending, original, start, HEAD)
    if ending is _WORD_END and place != "reference":
        written = _inside_brackets(written)
    address = read(written, markdown=place != "css")
    if address is not None:
        yield _link(original, place, start, ending, fetched=fetched, address=address)


def _inside_brackets(written: str) -> str:
    """Up to the bracket that closes those around the URL."""
    closing = written.find(")")
    return written[:closing] if closing >= 0 and "(" not in written[:closing] else written


def _attribute(original: str, name: str, at: int, *, fetched: bool) -> Iterator[Link]:
    start = _end(_SPACES, original, at)
    quote = original[start : start + 1]
    ending = _ENDINGS[quote] if quote in {'"', "'"} else _UNQUOTED_END
    start += ending is not _UNQUOTED_END
    written = _upto(ending, original, start, HEAD)
    if name == "style":
        yield from _style(original, start, ending)
    elif name in _MANY:
        for part in _PART.finditer(written):
            address = read(part.group())
            if address is not None:
                yield _link(original, "html", start, ending, fetched=fetched, address=address)
    else:
        address = read(_refreshed(written) if name == "content" else _quoted(written))
        if address is not None:
            yield _link(original, "html", start, ending, fetched=fetched, address=address)


def _quoted(written: str) -> str:
    """Without the quotes that are written as entities, where a page stands within an attribute."""
    return _QUOTES.sub("", written)


def _refreshed(written: str) -> str:
    """The URL in ``<meta http-equiv=refresh content="0; url=…">``, where ``url=`` may be left out."""
    return _REFRESH.sub("", html.unescape(written), count=1)


def _style(original: str, start: int, ending: re.Pattern[str]) -> Iterator[Link]:
    """Escapes in a style may spell ``url(``. A style without any is found by its ``url(``."""
    for address in _spelled(_upto(ending, original, start, _PAYLOAD)):
        yield _link(original, "css", start, ending, fetched=True, address=address)


def _style_sheets(original: str) -> Iterator[Link]:
    """The same of ``<style>`` elements; what cannot be read for its escapes is marked from its beginning."""
    for start, begin in candidates(_STYLE_SHEET, original) if "\\" in original else ():
        closed = _STYLE_END.search(original, begin)
        end = closed.start() if closed else len(original)
        for address in _spelled(original[begin:end]):
            yield Link(place="css", start=start, end=end, address=address, fetched=True)
            break


def _spelled(style: str) -> Iterator[Address]:
    """The URLs of a style that holds escapes, once they are resolved."""
    if "\\" not in style and "&" not in style:
        return
    plain = _CSS_ESCAPE.sub(_unescaped, html.unescape(style))
    for opening in _CSS_OPENING.finditer(plain):
        for link in _one(plain, opening.end(), "css", fetched=True):
            yield link.address


def _unescaped(escape: re.Match[str]) -> str:
    """The character that an escape of CSS stands for."""
    return chr(min(int(escape[1], 16), 0x10FFFF)) if escape[1] else escape[2]


def _alone(text: Text, original: str) -> Iterator[Link]:
    reached = 0
    for begin, past in candidates(_BARE_BEGINS, text.matching):
        start, _ = text.span(begin, past)
        if start < reached:
            continue
        address = read(_trimmed(_upto(_WORD_END, original, start, HEAD)), bare=True)
        if address is not None:
            link = _link(original, "bare", start, _WORD_END, fetched=False, address=address)
            reached = link.end
            yield link


def _coded(original: str) -> Iterator[Link]:
    if "&" not in original:
        return
    for start, end in candidates(_CODED, original):
        if original.count("&", start, end) > _MOST_ENTITIES:
            yield Link(place="bare", start=start, end=end, address=Address(host=UNREADABLE))
            continue
        plain = html.unescape(original[start:end])
        begins = _BARE_INSIDE.search(plain)
        address = begins and read(_trimmed(plain[begins.start() : begins.start() + HEAD]), bare=True)
        if address:
            yield Link(place="bare", start=start, end=end, address=address)


def _trimmed(written: str) -> str:
    """Less the punctuation of the sentence that a URL stands in."""
    return written.rstrip(_TRAILING if "(" in written else _TRAILING + ")")


def _link(original: str, place: Place, start: int, ending: re.Pattern[str], *, fetched: bool, address: Address) -> Link:
    end = _end(ending, original, start, before=True)
    if ending is _WORD_END and end - start < _PAYLOAD:
        written = original[start:end]
        end = start + len(_trimmed(written) if place == "bare" else _inside_brackets(written))
    return Link(place=place, start=start, end=end, address=address, fetched=fetched)


def _upto(ending: re.Pattern[str], original: str, start: int, most: int) -> str:
    found = ending.search(original, start, start + most)
    return original[start : found.start()] if found else original[start : start + most]


def _end(pattern: re.Pattern[str], original: str, at: int, *, before: bool = False) -> int:
    """Where what matches at ``at`` ends, or where the first match after it begins."""
    found = pattern.search(original, at) if before else pattern.match(original, at)
    if found is None:
        return len(original) if before else at
    return found.start() if before else found.end()
