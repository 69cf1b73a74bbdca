"""Which fields do OpenAI's dialects read alike?

Checks of what they pass on under the same names, and what they say of streams and of whom a request is about.
"""

from typing import Final

from gateway.dialects._checks import (
    boolean,
    flag,
    integer,
    members,
    name,
    one_of,
    optional_subject,
    record,
    short_string,
    string,
    wrong,
)
from gateway.dialects._forbidden import refuse_redirects
from gateway.domain.jsonvalue import JsonObject, JsonValue


def subject_of(body: JsonObject, values: JsonObject) -> str | None:
    """Whom the request is about: as said for the audit, else as said to the provider of its end user."""
    given = body.get("subject")
    if given is not None:
        return optional_subject(given, "subject")
    if _TELLING.isdisjoint(values):
        return None
    metadata = values.get("metadata")
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    for told in (values.get("safety_identifier"), values.get("user"), user_id):
        if isinstance(told, str) and told:
            return told
    return None


def streaming(body: JsonObject, known: frozenset[str]) -> tuple[bool, JsonObject]:
    """Whether to stream, and the ``stream_options``, of which those are ``known``."""
    asked = body.get("stream")
    stream = asked is not None and boolean(asked, "stream")
    value = body.get("stream_options")
    if value is None:
        return stream, {}
    if not stream:
        raise wrong("stream_options", "be left out unless stream is true")
    options = record(value, "stream_options", known)
    if flag(options.get("include_obfuscation"), "stream_options.include_obfuscation"):
        raise wrong("stream_options.include_obfuscation", "be false: the gateway pads no chunks")
    return stream, options


def metadata(value: JsonValue, path: str) -> JsonValue:
    """Labels for the provider's records."""
    found = members(value, path)
    refuse_redirects(found, path)
    if len(found) > 16 or any(
        len(key) > 64 or not isinstance(held, str) or len(held) > 512 for key, held in found.items()
    ):
        raise wrong(path, "map at most 16 keys of up to 64 characters to strings of up to 512")
    return found


def json_schema(value: JsonValue, path: str, *aside: str) -> JsonObject:
    """A schema for the answer with its name; the fields ``aside`` are not looked at."""
    found = record(value, path, ("name", "description", "schema", "strict", *aside))
    name(found.get("name"), f"{path}.name")
    for key, check in (("description", string), ("schema", members), ("strict", boolean)):
        if found.get(key) is not None:
            check(found[key], f"{path}.{key}")
    return found


def cache_options(value: JsonValue, path: str) -> JsonValue:
    """Whether and for how long the provider may cache prefixes."""
    for key, held in record(value, path, ("mode", "ttl")).items():
        (_CACHE_MODE if key == "mode" else _CACHE_TTL)(held, f"{path}.{key}")
    return value


# What says of whom a request is, beside ``subject``.
_TELLING: Final = frozenset({"metadata", "safety_identifier", "user"})
_CACHE_MODE: Final = one_of("implicit", "explicit")
_CACHE_TTL: Final = one_of("30m")
TOKENS: Final = integer(1, 2**31 - 1)
LABEL: Final = short_string(512)
FORMAT_TYPE: Final = one_of("text", "json_object", "json_schema")
EFFORT: Final = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITY: Final = one_of("low", "medium", "high")
RETENTION: Final = one_of("in_memory", "24h")
TIER: Final = one_of("auto", "default", "flex", "scale", "priority", "fast")
