"""What is a field of OpenAI's APIs, and what can be done with it?

Each of their dialects has a table of fields. ``pass``: checked, then sent upstream as it is. ``map``: read into the
request's own terms. ``refuse``: the reason says what to do instead. A field that is not in the table is unknown: it
goes to ``Options.extra``, which the router sends only to a target whose configuration names it. A null means that the
field is not set, as in the SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.dialects._checks import (
    Check,
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
from gateway.dialects._forbidden import forbidden, is_forbidden_field, refuse_fields, refuse_redirects, unknown
from gateway.dialects._media import by_reference
from gateway.dialects._paths import shown
from gateway.domain.errors import InvalidField, RequestError
from gateway.domain.jsonvalue import JsonObject, JsonValue


class Treatment(StrEnum):
    """What is done with a field."""

    PASSED = "pass"
    MAPPED = "map"
    REFUSED = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row: ``error`` serves refused fields; ``why`` tells the reader, or the client.

    ``check`` looks at a passed field, and at a mapped one that needs no more reading than that.
    """

    treatment: Treatment
    why: str
    check: Check | None = None
    error: type[RequestError] = InvalidField


def passed(check: Check, why: str) -> Field:
    return Field(treatment=Treatment.PASSED, why=why, check=check)


def mapped(why: str, check: Check | None = None) -> Field:
    return Field(treatment=Treatment.MAPPED, why=why, check=check)


def refused(why: str, error: type[RequestError] = InvalidField) -> Field:
    return Field(treatment=Treatment.REFUSED, why=why, error=error)


def sort(body: JsonObject, fields: Mapping[str, Field]) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The checked fields that are passed, and the unknown ones.

    Raises:
        RequestError: a field is refused, forbidden or wrong.
    """
    values: dict[str, JsonValue] = {}
    extra: dict[str, JsonValue] = {}
    for key, value in body.items():
        field = fields.get(key)
        if field is None:
            extra[_unknown_field(key, value)] = value
        elif value is None:
            continue
        elif field.treatment is Treatment.REFUSED:
            raise refusal(field, key)
        else:
            checked = value if field.check is None else field.check(value, key)
            if field.treatment is Treatment.PASSED:
                values[key] = checked
    return values, extra


def refusal(field: Field, path: str) -> RequestError:
    """The error for a refused field."""
    return field.error(f"{path} is not supported: {field.why}.", param=path)


def _unknown_field(key: str, value: JsonValue) -> str:
    if is_forbidden_field(key):
        raise forbidden(shown(key))
    if key in REFERENCES:
        raise by_reference(key)
    if shown(key) != key:
        raise unknown(key, "")
    refuse_fields(value, key)
    return key


def subject_of(body: JsonObject, values: JsonObject) -> str | None:
    """Whom the request is about: as said for the audit, else as said to the provider of its end user."""
    given = optional_subject(body.get("subject"), "subject")
    metadata = values.get("metadata")
    named = (
        given,
        values.get("safety_identifier"),
        values.get("user"),
        metadata.get("user_id") if isinstance(metadata, dict) else None,
    )
    return next((name for name in named if isinstance(name, str) and name), None)


def streaming(body: JsonObject, known: frozenset[str]) -> tuple[bool, JsonObject]:
    """Whether to stream, and the ``stream_options``, of which those are ``known``."""
    stream = flag(body.get("stream"), "stream")
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


_CACHE_MODE: Final = one_of("implicit", "explicit")
_CACHE_TTL: Final = one_of("30m")
TOKENS: Final = integer(1, 2**31 - 1)
LABEL: Final = short_string(512)
FORMAT_TYPE: Final = one_of("text", "json_object", "json_schema")
EFFORT: Final = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
VERBOSITY: Final = one_of("low", "medium", "high")
RETENTION: Final = one_of("in_memory", "24h")
TIER: Final = one_of("auto", "default", "flex", "scale", "priority", "fast")

# Fields of other vendors that would bring in content which the gateway cannot see.
REFERENCES: Final = frozenset({
    "previous_response_id", "conversation", "mcp_servers", "plugins", "search_parameters", "enable_search",
    "web_search", "tool_resources", "file_ids", "vector_store_ids", "container", "data_sources", "knowledge_bases",
    "connectors", "search_settings", "assistant_id", "thread_id", "agent_id", "context",
})  # fmt: skip
