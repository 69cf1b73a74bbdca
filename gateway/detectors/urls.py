"""Does a text hold URLs that take somebody, or what the model knows, to a host that is none of ours?

Meant for output: an image's URL is fetched before anybody reads it, and its path and query carry out what was written
into them. The rule: a host is ours only if it is read without doubt and stands on the policy's list.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.detectors._candidates import TooManyCandidates
from gateway.detectors._hosts import HostList, imitates
from gateway.detectors._links import HINTS, Link, links
from gateway.detectors._secret_values import entropy
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject
from policies.engine.model import UrlSettings

# So many hosts are named, in alphabetical order.
_HOSTS_NAMED: Final = 64
# So many pairs of hosts are compared, and one more for so many characters of text.
_COMPARISONS: Final = 4_000
_CHARS_EACH: Final = 20

FACTS: Final = (
    Fact(
        name="det.urls.found",
        type=FactType.BOOL,
        doc="Whether there is a URL with a host, a `data:` URL or a script, in Markdown, HTML, CSS or plain text. "
        "Relative URLs and `mailto:` do not count.",
    ),
    Fact(name="det.urls.count", type=FactType.INT, doc="How many."),
    Fact(
        name="det.urls.kinds",
        type=FactType.STRINGS,
        doc="How they stand there: `link`, `image`, `reference`, `html`, `css`, `bare`.",
        closed=True,
    ),
    Fact(
        name="det.urls.hosts",
        type=FactType.STRINGS,
        doc=f"Their hosts in lower case and Punycode, the first {_HOSTS_NAMED} by the alphabet; `?` where one "
        "cannot be read.",
    ),
    Fact(
        name="det.urls.external",
        type=FactType.BOOL,
        doc="Whether one leads to a host that is not among `allowed_hosts`.",
    ),
    Fact(
        name="det.urls.image_external",
        type=FactType.BOOL,
        doc="Whether one of those is fetched by clients unasked: images, other embedded content, styles.",
    ),
    Fact(
        name="det.urls.lookalike",
        type=FactType.BOOL,
        doc="Whether one of those is made to look like a host of `allowed_hosts` or `protected_hosts`: other letters "
        "that look the same, one or two changed, the name within another.",
    ),
    Fact(
        name="det.urls.opaque_data",
        type=FactType.BOOL,
        doc="Whether one of those carries data that nobody reads: a long query, a random word in its path or host.",
    ),
    Fact(
        name="det.urls.script",
        type=FactType.BOOL,
        doc="Whether one runs something: `javascript:`, `data:` with a page or script.",
    ),
)

# What a query carries beyond the usual campaign's names, and how long a random word in a path is data.
_LONG_QUERY: Final = 120
_LONG_WORD: Final = 32
_LONG_LABEL: Final = 24
_WORD: Final = re.compile(r"[A-Za-z0-9+_=%-]{32,}")
_DIGIT: Final = re.compile(r"[0-9%]")
_RANDOM: Final = 3.2


class Urls:
    """``det.urls`` under one policy's settings."""

    name = "urls"
    facts = FACTS
    patterns = HINTS

    def __init__(self, settings: UrlSettings) -> None:
        self._allowed = HostList.of(settings.allowed_hosts)
        self._known: Sequence[str] = tuple(
            sorted({*self._allowed.names(), *HostList.of(settings.protected_hosts).names()} - {""})
        )

    def detect(self, text: Text, subject: Subject) -> Detection:
        del subject
        found: list[Link] = []
        failed = None
        try:
            found.extend(links(text))
            hosts = self._hosts(found, len(text.original))
        except TooManyCandidates:
            hosts, failed = sorted({link.address.host for link in found} - {""}), "limit"
        if not found:
            return Detection(failed=failed) if failed else QUIET
        foreign = {host for host in hosts if not self._allowed.holds(host)}
        return Detection(facts=self._facts(found, hosts, foreign), marks=_marks(found), failed=failed)

    def _hosts(self, found: Sequence[Link], length: int) -> list[str]:
        """In order; each foreign one is compared with each known name, so their product has a limit of its own."""
        hosts = sorted({link.address.host for link in found} - {""})
        if len(hosts) * len(self._known) > _COMPARISONS + length // _CHARS_EACH:
            raise TooManyCandidates
        return hosts

    def _facts(
        self, found: Sequence[Link], hosts: Sequence[str], foreign: set[str]
    ) -> dict[str, bool | int | tuple[str, ...]]:
        outside = [link for link in found if link.address.host in foreign]
        return {
            "det.urls.found": True,
            "det.urls.count": len(found),
            "det.urls.kinds": tuple(sorted({link.place for link in found})),
            "det.urls.hosts": tuple(hosts[:_HOSTS_NAMED]),
            "det.urls.external": bool(outside),
            "det.urls.image_external": any(link.fetched for link in outside),
            "det.urls.lookalike": self._imitated(outside),
            "det.urls.opaque_data": any(_carries(link) for link in outside),
            "det.urls.script": any(link.address.script for link in found),
        }

    def _imitated(self, outside: Sequence[Link]) -> bool:
        seen = {(link.address.host, link.address.userinfo) for link in outside}
        return any(imitates(host, userinfo, self._known) for host, userinfo in seen)


def _marks(found: Sequence[Link]) -> tuple[Mark, ...]:
    """In order; places that overlap, as the URLs of a ``srcset`` do, are one."""
    marks: list[Mark] = []
    for link in sorted(found, key=lambda link: (link.start, -link.end)):
        kind = "script" if link.address.script else link.place
        if marks and link.start < marks[-1].end:
            last = marks.pop()
            marks.append(Mark(kind=last.kind, start=last.start, end=max(last.end, link.end)))
        else:
            marks.append(Mark(kind=kind, start=link.start, end=link.end))
    return tuple(marks)


def _carries(link: Link) -> bool:
    """Whether the URL's query, path or host holds more than names and numbers."""
    payload = link.address.payload
    query = payload.partition("?")[2] or payload.partition("#")[2]
    if len(query) >= _LONG_QUERY:
        return True
    words = _WORD.findall(payload)
    labels = [label for label in link.address.host.split(".") if len(label) >= _LONG_LABEL]
    return any(_DIGIT.search(word) and entropy(word[:128]) >= _RANDOM for word in (*words, *labels))
