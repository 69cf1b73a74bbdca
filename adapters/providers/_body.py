"""How is an upstream body written, and which fields beyond those that are known may stand in it?

Pure, and the same for every vendor.
"""

from collections.abc import Collection, Mapping

import orjson

from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.target import Target


def as_json(body: JsonObject) -> bytes:
    """The body's bytes.

    Raises:
        InvalidField: text with a lone surrogate, or an integer over 64 bits.
    """
    try:
        return orjson.dumps(body, default=_plain)
    except orjson.JSONEncodeError as exc:
        # Without a cause: its text may quote the value.
        raise InvalidField(
            f"The request cannot be written as JSON for a model: {_why(exc)}. Send well-formed Unicode text "
            "and integers below 2**63."
        ) from None


def allowed_extra(target: Target, extra: JsonObject, own: Collection[str]) -> JsonObject:
    """The extra fields, all of which the target takes and none of which is the provider's ``own``.

    Raises:
        NotSayable: names the first that is not.
    """
    for name in extra:
        if name not in target.extra_params or name in own:
            raise NotSayable(
                f"{name} is not a field that target {target.id} takes. Leave it out, or list it in the target's "
                "extra_params.",
                param=name,
            )
    return extra


def _why(exc: orjson.JSONEncodeError) -> str:
    return "a text is not valid Unicode" if "surrogates" in str(exc) else "a value is out of range"


def _plain(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    # orjson knows dictionaries only; what is no mapping makes a TypeError here, which orjson reports.
    return dict(value)
