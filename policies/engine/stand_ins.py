"""What stands in for a part of a policy that has the wrong shape, while the rest is checked?

Each is above reproach. The checks leave out what depends on a part that was not readable: see ``Report.sound``.
"""

from collections.abc import Mapping
from typing import Final

from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.salvage import Gone, Salvage
from policies.engine.model import API_VERSION
from policies.engine.schema import Document

_FIXED: Final[Mapping[Loc, JsonValue]] = {
    ("apiVersion",): API_VERSION,
    ("kind",): "Policy",
    ("metadata",): {"name": "stand-in"},
    ("metadata", "name"): "stand-in",
    ("spec",): {"mode": "enforce"},
    ("spec", "mode"): "enforce",
}
_EXTERNAL: Final[JsonObject] = {"kind": "webhook", "url": "https://stand-in.invalid/"}


def _stand_in(at: Loc) -> "JsonValue | Gone":
    if at in _FIXED:
        return _FIXED[at]
    match at:
        case ("spec", "tools", str()):
            return {"effect": "egress"}
        case ("spec", "tools", _, "effect"):
            return "egress"
        case ("spec", "detectors", *place):
            return _of_detectors(place)
        case ("spec", ("rules" | "exceptions" | "tests") as what, int(index), *place):
            return _of_item(_item(what, index), place)
        case _:
            return Gone.GONE


def _of_detectors(place: list[str | int]) -> "JsonValue | Gone":
    match place:
        case ["external", int(index), *rest]:
            return _of_item({"name": f"stand_in_{index}", **_EXTERNAL}, rest)
        case ["pii", "recognizers", int(index), *rest]:
            return _of_item({"entity": f"STAND_IN_{index}", "pattern": "stand-in"}, rest)
        case _:
            return Gone.GONE


def _item(what: str, index: int) -> JsonObject:
    name = f"stand-in-{index}"
    if what == "rules":
        head = {"id": name, "stage": "output", "severity": "notice", "when": "false"}
        return {**head, "action": "block", "message": name}
    if what == "exceptions":
        return {"id": name, "rules": ("stand-in",), "reason": name, "approver": name, "expires": "2030-01-31"}
    return {"name": name, "stage": "output", "text": "", "expect": {"decision": "allow"}}


def _of_item(item: JsonObject, place: list[str | int]) -> "JsonValue | Gone":
    match place:
        case []:
            return item
        case [str(key)]:
            return item.get(key, Gone.GONE)
        case ["expect", "decision"]:
            return "allow"
        case ["tool", "name"]:
            return "stand-in"
        case _:
            return Gone.GONE


SALVAGE: Final = Salvage(document=Document, stand_in=_stand_in)
