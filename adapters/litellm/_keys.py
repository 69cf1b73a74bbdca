"""Does an object hold no keys but those that it may?

Messages name the key at fault by its path, and no value.
"""

import re
from typing import Final

from adapters._refusal import Refused
from gateway.domain.jsonvalue import JsonObject, JsonValue

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MOST_DEEP: Final = 64
# What litellm reads in places that nobody expects, and what sends a call elsewhere or changes on whose account it is
# made. Compared without case, `_` and `-`. Keys are listed one by one elsewhere; this is for values passed on unread.
_NEVER: Final = frozenset({
    "apibase", "apikey", "apiversion", "authorization", "baseurl", "basemodel", "callbacks", "client", "credentials",
    "customllmprovider", "deploymentid", "extrabody", "extraheaders", "fallbacks", "headers", "httpclient", "metadata",
    "mockresponse", "mocktoolcalls", "model", "modellist", "numretries", "organization", "promptid", "proxies", "proxy",
    "sslverify", "timeout",
})  # fmt: skip
_NEVER_BEGIN: Final = ("aws", "azure", "litellm", "sagemaker", "vertex", "watsonx")


def wrong(path: str) -> Refused:
    """The refusal of a value of the wrong type or form."""
    return Refused("invalid_field", f"{path} has the wrong type or form: see OpenAI's chat completions.", param=path)


def name_of(name: str) -> str | None:
    """A client's own word for a key, if it is a plain one."""
    return name if _IDENTIFIER.fullmatch(name) else None


def record(value: JsonValue, path: str, allowed: frozenset[str]) -> JsonObject:
    """An object with no keys but ``allowed``, its nulls left out."""
    if not isinstance(value, dict):
        raise wrong(path)
    for key, held in value.items():
        if key not in allowed and held is not None:
            raise _unsupported(path, key)
    return {key: held for key, held in value.items() if held is not None}


def items(value: JsonValue, path: str, most: int | None = None) -> list[JsonValue]:
    """A list, of at most ``most`` entries."""
    if not isinstance(value, list) or (most is not None and len(value) > most):
        raise wrong(path)
    return value


def text(value: JsonValue, path: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong(path)
    return value


def own_keys(value: JsonObject, path: str) -> None:
    """Refuse keys that would redirect or re-credential a call."""
    for key in value:
        plain = key.casefold().replace("_", "").replace("-", "")
        if plain in _NEVER or plain.startswith(_NEVER_BEGIN):
            raise _unsupported(path, key)


def checked_extra(value: JsonValue, path: str) -> JsonValue:
    """A value that is passed on unread: no key in it, however deep, redirects or re-credentials the call."""
    own_keys({path: None}, "")
    todo: list[tuple[JsonValue, int]] = [(value, 0)]
    while todo:
        held, depth = todo.pop()
        if depth > _MOST_DEEP:
            raise wrong(path)
        if isinstance(held, dict):
            own_keys(held, path)
            todo.extend((inner, depth + 1) for inner in held.values())
        elif isinstance(held, list):
            todo.extend((inner, depth + 1) for inner in held)
    return value


def _unsupported(path: str, key: str) -> Refused:
    where = name_of(f"{path}.{key}" if path else key)
    return Refused("unsupported_field", "The target takes no key of this name there: leave it out.", param=where)
