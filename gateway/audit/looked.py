"""Which detectors looked at a request, and which policies stood for it?

What is the same for all requests under one set of policies stands in the record of its coming into force; a request's
own record says which of them stood for it, and how.
"""

from collections.abc import Mapping
from typing import Final

from gateway.audit.line import Fields
from gateway.audit.search import object_of, objects_of, text_of, values_of
from gateway.domain.detection import STAGES, Stage
from gateway.domain.value import value

# Records that say which policies came into force hold these bytes.
ONLY: Final = b'"what":"policies"'
_DIGEST: Final = 8


@value
class Stood:
    """A policy as it stood for one request.

    ``mode`` is what it did there, ``by_file`` what its file says. ``percent`` (0 to 100) and ``pilots`` are of its
    roll-out; ``percent`` is None where everybody but pilots was left out, or nobody.
    """

    digest: str
    mode: str
    by_file: str = ""
    percent: float | None = None
    pilots: tuple[str, ...] = ()


@value
class Then:
    """The policies that stood for one request by name, and the detectors that looked at it by stage."""

    policies: Mapping[str, Stood]
    looks: Mapping[Stage, frozenset[str]]


class Looked:
    """What the records of a journal say of policies that came into force."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Fields] = {}
        self._made: dict[tuple[object, ...], Then] = {}

    def learn(self, fields: Fields) -> None:
        """Take in a record that says which policies came into force."""
        for one in objects_of(fields, "policies"):
            if "looks" in one:
                self._known[text_of(fields, "build"), text_of(one, "name"), text_of(one, "digest")] = one

    def then(self, fields: Fields) -> Then:
        """What stood for the request that ``fields`` tell of. What nobody recorded looked at nothing."""
        build = text_of(fields, "build")
        named = [
            (text_of(one, "name"), text_of(one, "digest"), text_of(one, "mode"))
            for one in objects_of(fields, "policies")
        ]
        signature = (build, *named)
        made = self._made.get(signature)
        if made is None:
            told = {name: self._known.get((build, name, digest), {}) for name, digest, _ in named}
            made = self._made[signature] = Then(
                policies={name: _stood(digest, mode, told[name]) for name, digest, mode in named},
                looks={stage: _looks(told, stage) for stage in STAGES},
            )
        return made


def settings_of(key: str) -> str:
    """What detectors with the same settings have in common: their instance key without what tells credentials apart."""
    name, at, digest = key.partition("@")
    return f"{name}{at}{digest[:_DIGEST]}"


def _looks(told: Mapping[str, Fields], stage: Stage) -> frozenset[str]:
    keys = [key for one in told.values() for key in values_of(object_of(one, "looks"), stage.value)]
    return frozenset([settings_of(key) for key in keys if isinstance(key, str)])


def _stood(digest: str, mode: str, told: Fields) -> Stood:
    rollout = object_of(told, "rollout")
    percent = text_of(rollout, "percent")
    return Stood(
        digest=digest.removeprefix("sha256:"),
        mode=mode,
        by_file=text_of(told, "mode"),
        percent=float(percent) if percent else None,
        pilots=tuple([name for name in values_of(rollout, "pilots") if isinstance(name, str)]),
    )
