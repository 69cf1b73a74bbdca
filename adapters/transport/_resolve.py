"""Which addresses may a connection be made to?

Both clients look names up here, once for each connection, and connect to what they are given: nobody asks a name server
a second time, who might then be told something else. The rule: no address leaves this file that was not checked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from socket import AI_ADDRCONFIG, SOCK_STREAM
from typing import TypeAlias

from gateway.domain.address import Addresses, OutOfReach, literal

# Gives the addresses of a host and port, as text.
Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system.

    Raises:
        OSError: the name is unknown, or nobody answers.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_ADDRCONFIG)
    return [str(address[0]) for *_, address in found]


async def resolve(host: str, port: int, allowed: Addresses, lookup: Lookup) -> Sequence[str]:
    """The addresses of ``host`` that are allowed, at least one; others that it has are left out.

    Raises:
        OutOfReach: there is none.
        OSError: the name is unknown, or nobody answers.
    """
    try:
        known = literal(host)
    except ValueError:
        raise OutOfReach from None
    found = await lookup(host, port) if known is None else [str(known)]
    kept = [one for one in found if allowed.permits(ip_address(one))]
    if not kept:
        raise OutOfReach
    return kept


def check(host: str, allowed: Addresses) -> None:
    """Look at an address once more, right before a connection is made.

    Raises:
        OutOfReach: it is not allowed.
    """
    if not allowed.permits(ip_address(host)):
        raise OutOfReach
