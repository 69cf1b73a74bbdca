"""Where may a connection lead that an entry of a file asks for?

An address of a private network or of this machine that the operator wrote down is meant: it permits itself, and
``localhost`` permits this machine. A name permits nothing: who answers for it may say today what it did not say
yesterday, so that private addresses behind names take a setting.
"""

from ipaddress import ip_network
from typing import Final

from gateway.domain.address import THIS_MACHINE, Addresses, Kind, kind_of, literal
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

_PRIVATE: Final = "allow_private"
_NETWORKS: Final = "allow_addresses"
_NO_MODEL: Final = {
    Kind.METADATA: "is where a cloud hands out the credentials of its machines",
    Kind.SPECIAL: "is link-local, multicast, reserved or unspecified",
}


def addresses_of(
    url: str, host: str | None, loc: Loc, report: Report, *, private: bool, networks: tuple[str, ...]
) -> Addresses:
    """What the entry at ``loc`` allows; the key ``url`` holds its URL's ``host``, None where a Unix socket serves."""
    known = _read(networks, (*loc, _NETWORKS), report)
    if host is None:
        if private or networks:
            key = _PRIVATE if private else _NETWORKS
            report.add((*loc, key), f"`{key}` means nothing beside `socket`; remove it", at_key=True)
        return Addresses()
    try:
        address = literal(host)
    except ValueError:
        report.add((*loc, url), f"`{url}` must hold a host's name, or its address in the usual form, such as 10.0.0.1")
        return Addresses()
    if address is None:
        here = THIS_MACHINE if host == "localhost" else ()
        return Addresses(private=private, networks=(*known, *here))
    kind, allowed = kind_of(address), Addresses(private=private, networks=known)
    if kind is Kind.PRIVATE:
        return Addresses(private=private, networks=(*known, str(ip_network(address))))
    if kind in _NO_MODEL and not allowed.permits(address):
        message = f"`{url}` holds an address that {_NO_MODEL[kind]}; if that is meant, name it in `{_NETWORKS}`"
        report.add((*loc, url), message)
    return allowed


def _read(networks: tuple[str, ...], loc: Loc, report: Report) -> tuple[str, ...]:
    found: list[str] = []
    for index, one in enumerate(networks):
        try:
            found.append(str(ip_network(one)))
        except ValueError:
            report.add((*loc, index), "must be a network, such as 10.20.0.0/16 with nothing behind it, or an address")
    return tuple(found)
