"""Which of a request's stop sequences ended its answer?

An upstream's word counts only where it is one of those that were asked for: whatever else it says there reaches nobody.
"""

from collections.abc import Collection

from gateway.domain.jsonvalue import JsonValue
from gateway.domain.ports import Call


def stops_of(call: Call) -> tuple[str, ...]:
    """The request's stop sequences."""
    stop = call.options.values.get("stop")
    if isinstance(stop, str):
        return (stop,)
    return tuple([word for word in stop if isinstance(word, str)]) if isinstance(stop, list | tuple) else ()


def asked_for(told: JsonValue, stops: Collection[str]) -> str | None:
    """What the upstream tells, if it is one of ``stops``."""
    return told if isinstance(told, str) and told in stops else None
