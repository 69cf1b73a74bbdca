"""What may stand in a policy file, and which facts may its conditions read? The tables of ``docs/policies.md``.

Made from the schema, the vocabulary and the loader themselves.
"""

import json
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.detectors.build import vocabulary
from gateway.domain.detection import STAGES, Fact, Stage
from gateway.domain.verdict import Action
from gateway.reference.tables import table
from gateway.yamlfile.problems import InvalidConfiguration
from policies.engine.expression.parse import MAX_DEPTH, MAX_NODES, MAX_SOURCE
from policies.engine.load import load_policy
from policies.engine.model import DetectorSettings, ExternalSettings
from policies.engine.schema import SECTIONS
from policies.engine.vocabulary import BASE

_WORDS: Final[Mapping[object, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` `false`",
    tuple: "list",
    dict: "mapping",
    Mapping: "mapping",
}
# Any name will do for a classifier over HTTP; its facts have that name.
_SERVICE: Final = ExternalSettings(name="NAME", kind="webhook", url="https://classifier.example/")


def policy_keys() -> str:
    """Every section with its keys, defaults and meanings."""
    return "\n\n".join(_section(path, section) for path, section in SECTIONS)


def _section(path: tuple[str, ...], section: type[BaseModel]) -> str:
    title = ".".join(path).replace("tools.*", "tools.NAME").replace(".*", "[]")
    heading = f"### `{title}`" if path else "### The whole file"
    rows = (
        (f"`{field.alias or name}`", _values(field.annotation), _default(field), field.description or "")
        for name, field in section.model_fields.items()
    )
    return "\n\n".join([heading, (section.__doc__ or "").strip(), table(("key", "value", "default", "meaning"), rows)])


def _values(annotation: object) -> str:
    """What may stand there, in a person's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " ".join(f"`{word}`" for word in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_values(one) for one in arguments if one is not NoneType))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _WORDS[origin or annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: object = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "see there"
    return "—" if value is None or value in ((), {}, "") else f"`{json.dumps(value).strip(chr(34))}`"


def facts() -> str:
    """Every fact of the request, then every detector's."""
    detected = vocabulary(DetectorSettings(external=(_SERVICE,)))
    rows = map(_fact, (*BASE.values(), *detected.values()))
    return table(("fact", "type", "at", "in a stream", "meaning"), rows)


def _fact(fact: Fact) -> tuple[str, ...]:
    at = "everywhere" if fact.stages == STAGES else ", ".join(stage for stage in Stage if stage in fact.stages)
    return (f"`{fact.name}`", fact.type, at, _in_a_stream(fact), fact.doc)


def _in_a_stream(fact: Fact) -> str:
    if Stage.OUTPUT not in fact.stages:
        return "—"
    if fact.longest is None:
        return "needs `hold`"
    return f"up to {fact.longest:,} characters" if fact.longest else "known before"


def limits() -> str:
    """How large a condition may be."""
    return (
        f"A condition has at most {MAX_SOURCE:,} characters and {MAX_NODES} parts, nested at most {MAX_DEPTH} deep; "
        "larger ones become several rules."
    )


_ACTING: Final = """apiVersion: splitgate/v1
kind: Policy
metadata: {{name: p, owner: o}}
spec:
  mode: enforce
  rules:
    - {{id: r, stage: {stage}, severity: error, when: det.secrets.found, message: m, tags: [LLM02:2025],
       action: {action}{more}}}
"""


def actions() -> str:
    """At which stages each action can be done: asked of the loader."""
    return table(("action", *Stage), _actions())


def _actions() -> Iterator[tuple[str, ...]]:
    for action in Action:
        yield (f"`{action}`", *("yes" if _possible(action, stage) else "—" for stage in Stage))


def _possible(action: Action, stage: Stage) -> bool:
    more = ", channel: data" if action is Action.SET_CHANNEL else ""
    text = _ACTING.format(stage=stage, action=action, more=more)
    try:
        load_policy("p.yaml", text.encode(), vocabulary, {})
    except InvalidConfiguration:
        return False
    return True
