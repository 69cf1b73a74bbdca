"""Where may this process connect to, whichever library does it?

For processes whose libraries have clients of their own. The interpreter tells of each connection that is about to be
made, with the very address that it is made to (PEP 578): no name is looked up in between. What connects without the
interpreter's knowledge, as uvloop does, is not seen: such a process does not run it.
"""

import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, TypeGuard

from gateway.domain.address import Addresses, OutOfReach

_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})


def guard(allowed: Callable[[], Addresses]) -> None:
    """Look at every connection that this process makes from now on; there is no way back.

    ``allowed`` is asked in the task or thread that connects.
    """

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            check(arguments[0], arguments[1], allowed())

    sys.addaudithook(look)


def check(connecting: object, address: object, allowed: Addresses) -> None:
    """Refuse a connection of a socket to an address of its family.

    Raises:
        OutOfReach: it is not allowed, or nobody can say where it leads.
    """
    if not isinstance(connecting, socket.socket) or connecting.family not in _INTERNET:
        raise OutOfReach
    try:
        # A zone (fe80::1%eth0) is no part of what is compared.
        known = ip_address(_host(address).partition("%")[0])
    except ValueError:
        # A name: the system would look it up behind our back.
        raise OutOfReach from None
    if not allowed.permits(known):
        raise OutOfReach


def _host(address: object) -> str:
    return str(address[0]) if _is_tuple(address) and address else ""


def _is_tuple(address: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(address, tuple)
