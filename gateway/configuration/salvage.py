"""What stands in for a part of the configuration that has the wrong shape, while the rest is checked?"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from gateway.configuration.schema import Document
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.salvage import ROUNDS, Gone, Salvage

_TARGET: Final[JsonObject] = {"provider": "embedded"}


def salvage(value: JsonValue, faults: Iterable[Loc], *, rounds: int = ROUNDS) -> Document | None:
    """The file's ``value`` without what stands at ``faults``; None where too little is left to be checked."""
    return _SALVAGE.salvage(value, faults, rounds=rounds)


def _stand_in(at: Loc) -> "JsonValue | Gone":
    """What is above reproach at this place, where the file cannot do without."""
    match at:
        case ("keys",):
            return (_key(0),)
        case ("keys", int(index)):
            return _key(index)
        case ("keys_file",):
            return "stand-in"
        case ("auth", *inside):
            return _in_auth(tuple(inside))
        case ("models",):
            return {"stand-in": {"targets": (_TARGET,)}}
        case ("models", _, "targets"):
            return (_TARGET,)
        case ("models", _, "targets", int()):
            return _TARGET
        case ("models", _, "templates", int(index)):
            return f"stand-in {index}: {{{{text: data}}}}"
        case _:
            return Gone.GONE


def _key(index: int) -> JsonObject:
    name = f"stand-in-{index}"
    return {"name": name, "sha256": sha256(name.encode()).hexdigest()}


def _in_auth(inside: Loc) -> "JsonValue | Gone":
    """Somebody is asked who they are, whatever is wrong with how."""
    match inside:
        case ():
            return {"oidc": (_issuer(0),)}
        case ("oidc",):
            return (_issuer(0),)
        case ("oidc", int(index)):
            return _issuer(index)
        case _:
            return Gone.GONE


def _issuer(index: int) -> JsonObject:
    name = f"stand-in-{index}"
    return {"name": name, "issuer": f"https://{name}.example", "audience": ("stand-in",)}


_SALVAGE: Final = Salvage(document=Document, stand_in=_stand_in, go_together={"format": ("format_options",)})
