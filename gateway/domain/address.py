"""Who can reach an address, and to which addresses may a connection of ours be made?

Verdicts hang on the lists in this file and never on those of the running Python, which grew between patch releases. The
rule: what is not known to be public is not public, and an address inside another one (mapped, translated, tunnelled)
counts as what it is inside.
"""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from gateway.domain.value import value

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Kind(StrEnum):
    """Whose an address is."""

    PUBLIC = "public"
    PRIVATE = "private"  # this machine's, or of a network of somebody's own
    METADATA = "metadata"  # where a cloud hands out a machine's credentials
    SPECIAL = "special"  # link-local, multicast, unspecified, reserved, for documentation


def _networks(text: str) -> tuple[Network, ...]:
    return tuple([ip_network(one) for one in text.split()])


# Where clouds answer any process of a machine with its credentials: AWS (also for containers and pods), Azure and its
# host agent, Google, Alibaba, Oracle, Tencent. They stand before the lists below, whose networks hold most of them.
_METADATA: Final = frozenset(
    ip_address(one)
    for one in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
        *("169.254.0.23", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
_PRIVATE: Final = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7")
# IANA's registries of special-purpose addresses: what no host on the internet has, or no single one.
_SPECIAL: Final = _networks(
    "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"
    " 224.0.0.0/4 240.0.0.0/4 2001::/23 2001:db8::/32 3fff::/20"
)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]\.?")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
# What IPv6 addresses there are besides, once those above are out.
_UNICAST: Final = (IPv6Network("2000::/3"), _MAPPED, _TRANSLATED)


def kind_of(address: Address) -> Kind:
    """Whose ``address`` is."""
    inner = _inside(address)
    if inner is not None and (kind := kind_of(inner)) is not Kind.PUBLIC:
        return kind
    if address in _METADATA:
        return Kind.METADATA
    if any(address in network for network in _PRIVATE):
        return Kind.PRIVATE
    if any(address in network for network in _SPECIAL):
        return Kind.SPECIAL
    known = address.version == 4 or any(address in network for network in _UNICAST)
    return Kind.PUBLIC if known else Kind.SPECIAL


def _inside(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, or that packets to it are taken to."""
    if isinstance(address, IPv4Address):
        return None
    number = int(address)
    if address in _MAPPED or address in _TRANSLATED or number >> 32 & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(number & 0xFFFF_FFFF)
    return IPv4Address(number >> 80 & 0xFFFF_FFFF) if address in _6TO4 else None


@value
class Addresses:
    """To which addresses a connection may be made: public ones, and what is allowed beyond that.

    ``private`` allows all addresses of private networks and of this machine, ``networks`` exactly what they hold
    (``10.20.0.0/16``). A metadata address is allowed by nothing but a network of that one address.
    """

    private: bool = False
    # As text, whose hash is known: connection pools are kept apart by these values.
    networks: tuple[str, ...] = ()

    def permits(self, address: Address) -> bool:
        """Whether a connection to ``address`` may be made."""
        kind = kind_of(address)
        if kind is Kind.PUBLIC or (kind is Kind.PRIVATE and self.private):
            return True
        known = (address, _inside(address))
        networks = [ip_network(text) for text in self.networks]
        return any(
            one in network
            for network in networks
            if kind is not Kind.METADATA or network.num_addresses == 1
            for one in known
            if one is not None
        )


class OutOfReach(OSError):
    """Where a connection would lead its entry does not allow. The message holds no address: one may be a secret."""

    def __init__(self) -> None:
        super().__init__("the address is none that the entry allows")


PUBLIC_ONLY: Final = Addresses()
THIS_MACHINE: Final = ("127.0.0.0/8", "::1/128")


def literal(host: str) -> Address | None:
    """The address that ``host`` is, in or without brackets; None for a name.

    Raises:
        ValueError: it is neither: some resolvers take it for an address, such as ``127.1`` or ``0x7f000001``.
    """
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    last = host.removesuffix(".").rpartition(".")[2].lower()
    if not _NAME.fullmatch(host) or last.isdigit() or last.startswith("0x"):
        raise ValueError("it is neither a name nor an address in its usual form")
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``; a name other than ``localhost`` may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
