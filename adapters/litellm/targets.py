"""Which models does this process call, where, and on whose account?

Read from a descriptor that the process was started with, and told anew by another one when a credential changes: what
stands there is nowhere else in this process's surroundings, neither in its variables nor in its command.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.jsonvalue import JsonObject, JsonValue

_KEYS: Final = {"id", "model", "embeddings", "address", "private", "networks", "credentials", "fields"}


class Untold(Exception):
    """What was to be read is not there, or is something else; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One model. ``model`` and ``embeddings`` are litellm's names for it, ``address`` None means the vendor's own.

    ``addresses`` says where it may be. ``credentials`` are arguments of litellm's calls. ``fields`` are those of a
    request that are passed on though OpenAI's chat completions do not know them.
    """

    id: str
    model: str
    embeddings: str
    address: str | None = None
    addresses: Addresses = PUBLIC_ONLY
    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    fields: frozenset[str] = frozenset()


def read(fd: int) -> dict[str, Target]:
    """The targets by their ids; ``fd`` is read to its end and closed.

    Raises:
        Untold: nothing usable is there.
    """
    try:
        with os.fdopen(fd, "rb") as pipe:
            raw = pipe.read()
    except OSError:
        raise _untold() from None
    return parse(raw)


def parse(raw: bytes) -> dict[str, Target]:
    """The same of what was read.

    Raises:
        Untold: it is nothing usable.
    """
    try:
        told: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Without a cause: the decoder's error carries what it read.
        raise _untold() from None
    if not isinstance(told, list):
        raise _untold()
    targets = [_target(one) for one in told if isinstance(one, dict)]
    if not targets or len(targets) < len(told):
        raise _untold()
    return {target.id: target for target in targets}


def _target(told: JsonObject) -> Target:
    if set(told) != _KEYS:
        raise _untold()
    address, credentials, fields = told["address"], told["credentials"], told["fields"]
    if not (address is None or isinstance(address, str)):
        raise _untold()
    if not isinstance(credentials, dict) or not isinstance(fields, list):
        raise _untold()
    private, networks = told["private"], told["networks"]
    if not isinstance(private, bool) or not isinstance(networks, list):
        raise _untold()
    return Target(
        id=_text(told["id"]),
        model=_text(told["model"]),
        embeddings=_text(told["embeddings"]),
        address=address,
        addresses=Addresses(private=private, networks=tuple([_text(one) for one in networks])),
        credentials={name: _text(value) for name, value in credentials.items()},
        fields=frozenset(_text(one) for one in fields),
    )


def _text(value: JsonValue) -> str:
    if isinstance(value, str) and value:
        return value
    raise _untold()


def _untold() -> Untold:
    return Untold("the litellm process is told its targets by the supervisor: start it with `splitgate serve`")
