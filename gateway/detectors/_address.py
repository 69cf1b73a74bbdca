r"""What does a URL mean, however it is written?

Read as browsers and Markdown readers do: entities decoded, tabs and line breaks dropped, backslashes taken for slashes,
user names and ports apart. The rule: what begins like a URL and cannot be read to its end is a URL to a foreign host.
"""

import html
import re
from typing import Final

from gateway.detectors._compatible import compatible
from gateway.detectors._folding import IGNORABLE_RANGES
from gateway.detectors._hosts import UNREADABLE, host_of
from gateway.domain.value import value

# A host stands within so many characters of its URL's beginning, or it cannot be read.
HEAD: Final = 512

# Entities and backslashes before the query: nobody's URL has more, and each costs to resolve.
_MOST_ESCAPES: Final = 32
# A scheme, slashes, or what may stand for them.
_BEGINNING: Final = re.compile(
    r"[\x00-\x20]*(?:[A-Za-z][A-Za-z0-9+.\-\s]{0,64}[:&\\]|[/\\]\s*[/\\&]|[&\\]|[A-Za-z/]*[^\x00-\x7f])"
)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
# Browsers find a host after these even without slashes.
_HOSTED: Final = frozenset({"http", "https", "ws", "wss", "ftp"})
_SCRIPTS: Final = frozenset({"javascript", "vbscript", "livescript"})
# Data that a client runs or draws with scripts in it.
_LIVE_DATA: Final = re.compile(r"\s*(?:text/(?:html|xml|javascript)|application/|image/svg)", re.IGNORECASE)
_AUTHORITY_END: Final = re.compile(r"[/\\?#]")
_BLANKS: Final = "".join(map(chr, range(33)))
_UNSEEN: Final = dict.fromkeys(
    [9, 10, 13, *(code for first, last in IGNORABLE_RANGES for code in range(first, last + 1))]
)
_MARKDOWN_ESCAPE: Final = re.compile(r"\\([!-/:-@\[\]^-`{-~])")


@value
class Address:
    """``host`` is empty where there is none, as with ``data:``; ``payload`` is what follows it."""

    host: str
    userinfo: str = ""
    payload: str = ""
    # Whether following it runs something.
    script: bool = False


def read(written: str, *, markdown: bool = False, bare: bool = False) -> Address | None:
    """What a URL means; None where it names nothing outside the page it stands on.

    ``markdown``: a backslash before a sign stands for the sign. ``bare``: it is known to be a URL, it stands by itself.
    """
    if not bare and _BEGINNING.match(written) is None:
        return None
    before, _, query = written.partition("?")
    if before.count("&") + before.count("\\") > _MOST_ESCAPES:
        return Address(host=UNREADABLE, payload=written)
    plain = _plain(before, query)
    if markdown and "\\" in plain:
        unescaped = _address(_MARKDOWN_ESCAPE.sub(r"\1", plain), bare=bare)
        if unescaped is not None:
            return unescaped
    return _address(plain, bare=bare)


def _plain(before: str, query: str) -> str:
    plain = html.unescape(before) if "&" in before else before
    plain = f"{plain}?{query}" if query else plain
    if plain.isascii():
        return plain.replace("\t", "").replace("\n", "").replace("\r", "").strip(_BLANKS)
    return compatible(plain).translate(_UNSEEN).strip(_BLANKS)


def _address(plain: str, *, bare: bool) -> Address | None:
    scheme = _SCHEME.match(plain)
    if scheme is None:
        return _schemeless(plain, bare=bare)
    name, rest = scheme[1].lower(), plain[scheme.end() :]
    if name in _SCRIPTS:
        return Address(host="", script=True)
    if name == "data":
        return Address(host="", payload=rest, script=_LIVE_DATA.match(rest) is not None)
    if name in _HOSTED or rest[:2] in {"//", "\\\\", "/\\", "\\/"}:
        return _hosted(rest.lstrip("/\\"))
    return None


def _schemeless(plain: str, *, bare: bool) -> Address | None:
    if plain[:1] in {"/", "\\"} and plain[1:2] in {"/", "\\"}:
        return _hosted(plain.lstrip("/\\"))
    if not bare:
        return None
    # ``www.…``, or a scheme of letters that only look Latin.
    return _hosted(plain.partition(":")[2].lstrip("/\\") if ":/" in plain[:16] else plain)


def _hosted(rest: str) -> Address | None:
    if not rest:
        return None
    ending = _AUTHORITY_END.search(rest)
    if (ending is None and len(rest) > HEAD - 16) or (ending and _disputed(rest, ending)):
        return Address(host=UNREADABLE, payload=rest)
    authority = rest[: ending.start()] if ending else rest
    return Address(
        host=host_of(authority),
        userinfo=authority.rpartition("@")[0].lower(),
        payload=rest[len(authority) :],
    )


def _disputed(rest: str, ending: re.Match[str]) -> bool:
    r"""Whether readers differ on where the host ends: ``ours.example\@theirs.example``."""
    return ending.group() == "\\" and "@" in rest[ending.end() :].partition("/")[0]
