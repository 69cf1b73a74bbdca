"""Which host does the authority of a URL name, is it one of ours, and does it only look like one of ours?

Reads an authority as browsers do (WHATWG URL Standard, host parsing): percent-decoded, compatibility forms resolved,
invisible characters dropped, Punycode for what is not ASCII, IPv4 addresses in all their notations. The rule: what
cannot be read is nobody's host, so it is foreign to every list.
"""

import ipaddress
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from gateway.detectors._confusables import LOOKALIKES
from gateway.detectors._folding import IGNORABLE_RANGES
from gateway.detectors.text import Text

UNREADABLE: Final = "?"
_LONGEST: Final = 253
_FORBIDDEN: Final = frozenset('\0\t\n\r #/<>?@[\\]^|%"`{} ')
_INVISIBLE: Final = dict.fromkeys(code for first, last in IGNORABLE_RANGES for code in range(first, last + 1))
# What is read as another letter though both are ASCII.
_READ_AS: Final = str.maketrans("01345", "oleas")
# From how many characters on one change, or two, make an imitation: short names are near to each other by chance.
_NEAR_BY_ONE: Final = 6
_NEAR_BY_TWO: Final = 10


@lru_cache(maxsize=4_096)
def host_of(authority: str) -> str:
    """The host in lower case without port, user and trailing dot; ``UNREADABLE`` where there is none to be read."""
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return _ipv6(host.partition("]")[0][1:])
    host = unquote(host.partition(":")[0])
    host = _visible(unicodedata.normalize("NFKC", _visible(host))).lower().replace("。", ".").rstrip(".")
    if not host or len(host) > _LONGEST or not _FORBIDDEN.isdisjoint(host):
        return UNREADABLE
    host = ".".join(_ascii(label) for label in host.split("."))
    return _ipv4(host) if host.rpartition(".")[2][:1].isdecimal() else host


def _visible(host: str) -> str:
    """Less the characters of no width, which browsers drop."""
    return host if host.isascii() else host.translate(_INVISIBLE)


def _ascii(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def _ipv6(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return UNREADABLE
    return str(address.ipv4_mapped or address)


def _ipv4(host: str) -> str:
    """Decimal, octal and hexadecimal parts, one to four of them: ``0x7f.1`` is 127.0.0.1."""
    parts = host.split(".")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return host
    *heads, last = numbers
    if len(parts) > 4 or any(head > 255 for head in heads) or last >= 256 ** (5 - len(parts)):
        return UNREADABLE
    return str(ipaddress.IPv4Address(sum(head << 8 * (3 - place) for place, head in enumerate(heads)) + last))


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)


def shown(host: str) -> str:
    """As a reader sees it: Punycode decoded."""
    return ".".join(_decoded(label) for label in host.split(".")) if "xn--" in host else host


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


@dataclass(frozen=True, slots=True)
class HostList:
    """Names, or ``*.example.com`` for every name below ``example.com``."""

    exact: frozenset[str]
    below: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> "HostList":
        """Names in Unicode or Punycode, in any case."""
        known = [name.strip() for name in names]
        return cls(
            exact=frozenset(host_of(name) for name in known if not name.startswith("*.")),
            below=tuple("." + host_of(name[2:]) for name in known if name.startswith("*.")),
        )

    def holds(self, host: str) -> bool:
        """Whether a host, as ``host_of`` gives it, is on the list."""
        return host != UNREADABLE and (host in self.exact or host.endswith(self.below))

    def names(self) -> Iterator[str]:
        yield from sorted(self.exact)
        yield from (name[1:] for name in self.below)


def imitates(host: str, userinfo: str, known: Sequence[str]) -> bool:
    """Whether a host that is none of ``known``, or what stands before its ``@``, is made to look like one of them."""
    seen = shown(host)
    if _mixes(seen) or any(name in userinfo for name in known):
        return True
    folded = _skeleton(seen)
    return any(_resembles(seen, folded, name) for name in known if host != name and not host.endswith("." + name))


def _mixes(seen: str) -> bool:
    """Whether a label is Latin by its looks alone, under a Latin ending."""
    if seen.isascii() or not seen.rpartition(".")[2].isascii():
        return False
    return any(not LOOKALIKES.isdisjoint(label) and Text(label).matching.isascii() for label in seen.split("."))


@lru_cache(maxsize=4_096)
def _skeleton(seen: str) -> str:
    """What the eye takes the host for."""
    return Text(seen).matching.translate(_READ_AS).replace("rn", "m").replace("vv", "w")


def _resembles(seen: str, folded: str, name: str) -> bool:
    """The name inside another host, its dots as hyphens, or another spelling of it."""
    if f".{name}." in f".{seen}." or name.replace(".", "-") in seen:
        return True
    labels = name.count(".") + 1
    tail = ".".join(seen.rsplit(".", labels)[-labels:])
    if _skeleton(name) == ".".join(folded.rsplit(".", labels)[-labels:]):
        return True
    return _near(tail, name)


def _near(one: str, other: str) -> bool:
    """Whether one or two changes of a character, depending on the length, make one out of the other."""
    budget = 2 if len(other) >= _NEAR_BY_TWO else 1 if len(other) >= _NEAR_BY_ONE else 0
    if not budget or abs(len(one) - len(other)) > budget or len(set(one) ^ set(other)) > 2 * budget:
        return False
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return _distance(one, other) <= budget


def _distance(one: str, other: str) -> int:
    """Levenshtein's, with neighbours that changed places as one change."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, a in enumerate(one, 1):
        earlier, before, row = before, row, [place]
        for column, b in enumerate(other, 1):
            cost = min(before[column] + 1, row[-1] + 1, before[column - 1] + (a != b))
            if earlier and column > 1 and a == other[column - 2] and one[place - 2] == b:
                cost = min(cost, earlier[column - 2] + 1)
            row.append(cost)
    return row[-1]
