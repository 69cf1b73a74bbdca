"""What may be done with a request's field?

Each dialect has one table of rows, which a test compares with the vendor's SDK and ``docs/api.md`` shows. ``pass``:
checked, then kept as it is. ``map``: read into the request's own terms. ``refuse``: the reason says what to do instead.
A field that stands in no row goes to ``Options.extra``, which the router sends only to a target whose configuration
names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.dialects._checks import Check
from gateway.dialects._forbidden import forbidden, is_forbidden_field, refuse_fields, unknown
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
    """A field that is kept as it is, once it is checked."""
    return Field(treatment=Treatment.PASSED, why=why, check=check)


def mapped(why: str, check: Check | None = None) -> Field:
    """A field that is read into the request's own terms."""
    return Field(treatment=Treatment.MAPPED, why=why, check=check)


def refused(why: str, error: type[RequestError] = InvalidField) -> Field:
    """A field that is known and not supported; ``why`` completes the sentence "FIELD is not supported: …"."""
    return Field(treatment=Treatment.REFUSED, why=why, error=error)


def refusal(field: Field, path: str) -> RequestError:
    """The error for a refused field."""
    return field.error(f"{path} is not supported: {field.why}.", param=path)


# Fields of this and that vendor which would bring in content that the gateway cannot see.
REFERENCES: Final = frozenset({
    "previous_response_id", "conversation", "mcp_servers", "plugins", "search_parameters", "enable_search",
    "web_search", "tool_resources", "file_ids", "vector_store_ids", "container", "data_sources", "knowledge_bases",
    "connectors", "search_settings", "assistant_id", "thread_id", "agent_id", "context",
})  # fmt: skip


def unlisted(key: str, value: JsonValue) -> str:
    """The name of a field that stands in no row, if a target may be sent it.

    Raises:
        ForbiddenField: no client may send it, or something in it.
        ContentByReference: it is one of ``REFERENCES``.
        UnknownField: it is no name.
    """
    if is_forbidden_field(key):
        raise forbidden(shown(key))
    if key in REFERENCES:
        raise by_reference(key)
    if shown(key) != key:
        raise unknown(key, "")
    refuse_fields(value, key)
    return key


def sort(body: JsonObject, fields: Mapping[str, Field]) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The checked fields that are passed, and the unlisted ones. A null means that a field is not set, as in SDKs.

    Raises:
        RequestError: a field is refused, forbidden or wrong.
    """
    values: dict[str, JsonValue] = {}
    extra: dict[str, JsonValue] = {}
    for key, value in body.items():
        field = fields.get(key)
        if field is None:
            extra[unlisted(key, value)] = value
        elif value is None:
            continue
        elif field.treatment is Treatment.REFUSED:
            raise refusal(field, key)
        else:
            checked = value if field.check is None else field.check(value, key)
            if field.treatment is Treatment.PASSED:
                values[key] = checked
    return values, extra
