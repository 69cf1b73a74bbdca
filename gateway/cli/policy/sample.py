"""What is one text that says where it stands, and how does it look to a rule?

``{"stage": "tool_call", "tool": {"name": …, "arguments": …}, "instructions": …, "data": …, "segment": {"origin": …}}``:
the keys of a case in a policy file. Its facts are made by the functions that make those of a live request.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

import orjson

from gateway.domain.detection import FactType, FactValue, Stage, Subject
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, Tool, ToolCall, Trust, Turn
from gateway.domain.request import Options
from gateway.pipeline.subjects import arguments_text, subjects_of
from gateway.pipeline.taint import Grounds
from gateway.pipeline.trial import CANARY
from policies.engine.applicable import Applicable
from policies.engine.ruleset import Asker
from policies.engine.vocabulary import BASE

_TYPES: Final[Mapping[FactType, type]] = {FactType.BOOL: bool, FactType.INT: int, FactType.STRING: str}
_KEYS: Final = frozenset({"name", "stage", "text", "tool", "instructions", "data", "tainted"})
_GROUPS: Final = ("segment", "request", "output")
_NAME: Final = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text at a stage. ``text`` is a tool's description at ``tools``, and empty where there is a ``call``."""

    stage: Stage
    text: str
    facts: Mapping[str, FactValue] = field(default_factory=dict[str, FactValue])
    tool: str = _NAME
    call: ToolCall | None = None
    instructions: str = ""
    data: str = ""


def read_sample(value: JsonObject) -> Sample:
    """Read one.

    Raises:
        ValueError: a field is unknown, missing or of another type; the message says which.
    """
    unknown = sorted(value.keys() - _KEYS - set(_GROUPS) - {"expect", "near"})
    if unknown:
        raise ValueError(f"no field of a text is called {unknown[0]}; there are {', '.join(sorted(_KEYS))}")
    try:
        stage = Stage(_string(value, "stage"))
    except ValueError:
        raise ValueError(f"`stage` must be one of {', '.join(Stage)}") from None
    tool = value.get("tool", {})
    if not isinstance(tool, Mapping):
        raise ValueError("`tool` must be an object: {name, arguments}")  # noqa: TRY004 - told as the others
    if stage is not Stage.TOOL_CALL and "text" not in value:
        raise ValueError(f"a text at stage {stage} needs `text`")
    name = _string(tool, "name") or _NAME
    if stage is Stage.TOOL_CALL and "name" not in tool:
        raise ValueError("a call needs `tool: {name, arguments}`")
    call = ToolCall(id=_NAME, name=name, arguments=_arguments(tool.get("arguments", {})))
    return Sample(
        stage=stage,
        text=_string(value, "text"),
        facts=dict(_facts(value, stage)),
        tool=name,
        call=call if stage is Stage.TOOL_CALL else None,
        instructions=_string(value, "instructions"),
        data=_string(value, "data"),
    )


def asker_of(sample: Sample, caller: Caller, model: str) -> Asker:
    """Who is taken to ask; what the text itself says of its request comes first."""

    def told(name: str, otherwise: str) -> str:
        return str(sample.facts.get(f"request.{name}", otherwise))

    return Asker(
        tenant=told("tenant", caller.tenant),
        key=told("key", caller.key),
        model=told("model", model),
        route=told("route", "split"),
        digest=hashlib.sha256(f"{sample.text}\0{sample.call}".encode(errors="surrogatepass")).digest(),
    )


def subject_of(sample: Sample, asker: Asker, policies: Applicable) -> tuple[Subject, ...]:
    """The text as something to look at; none where no rule looks at its stage at all."""
    common: dict[str, FactValue] = {
        "request.tenant": asker.tenant,
        "request.key": asker.key,
        "request.model": asker.model,
        "request.route": asker.route,
        "tainted": bool(sample.facts.get("tainted", sample.stage is Stage.DATA or bool(sample.data))),
    }
    made = _made(sample, common, policies)
    return tuple(_with(subject, sample.facts) for subject in made)


def _made(sample: Sample, common: Mapping[str, FactValue], policies: Applicable) -> tuple[Subject, ...]:
    match sample.stage:
        case Stage.INSTRUCTIONS:
            return _input(Prompt(turns=(_turn(_instruction(sample.text)),)), common, policies)
        case Stage.DATA:
            data = Data(id=_NAME, origin=_NAME, text=sample.text)
            return _input(Prompt(turns=(_turn(data),)), common, policies)
        case Stage.TOOLS:
            tool = Tool(name=sample.tool, description=sample.text)
            return _input(Prompt(turns=(), tools=(tool,)), common, policies)
        case Stage.TOOL_CALL:
            return (_call(sample, common, policies),)
        case Stage.OUTPUT:
            facts = {**common, "output.channel": "text"}
            return (Subject(stage=Stage.OUTPUT, where="output", text=sample.text, facts=facts, canary=CANARY),)
        case _:
            assert_never(sample.stage)


def _input(prompt: Prompt, common: Mapping[str, FactValue], policies: Applicable) -> tuple[Subject, ...]:
    return subjects_of(prompt, Options(), common, policies)


def _call(sample: Sample, common: Mapping[str, FactValue], policies: Applicable) -> Subject:
    call = sample.call or ToolCall(id=_NAME, name=sample.tool, arguments="{}")
    data = Data(id="data", origin=_NAME, text=sample.data)
    prompt = Prompt(turns=(_turn(_instruction(sample.instructions), data),))
    told = Grounds.of([prompt], policies, tainted=bool(common["tainted"])).facts(call)
    return Subject(stage=Stage.TOOL_CALL, where=call.name, text=arguments_text(call), facts={**common, **told})


def _instruction(text: str) -> Instruction:
    return Instruction(id=_NAME, origin="operator", text=text, trust=Trust.OPERATOR)


def _turn(*segments: Instruction | Data) -> Turn:
    return Turn(speaker=Speaker.USER, segments=segments)


def _with(subject: Subject, facts: Mapping[str, FactValue]) -> Subject:
    return Subject(
        stage=subject.stage,
        where=subject.where,
        text=subject.text,
        facts={**subject.facts, **facts},
        canary=subject.canary,
    )


def _facts(value: JsonObject, stage: Stage) -> Iterator[tuple[str, FactValue]]:
    tainted = value.get("tainted")
    if isinstance(tainted, bool):
        yield "tainted", tainted
    elif tainted is not None:
        raise ValueError("`tainted` must be true or false")
    for group in _GROUPS:
        inner = value.get(group, {})
        if not isinstance(inner, Mapping):
            raise ValueError(f"`{group}` must be an object of facts")  # noqa: TRY004 - told as the others
        for key, told in inner.items():
            yield _fact(f"{group}.{key}", told, stage)


def _fact(name: str, told: JsonValue, stage: Stage) -> tuple[str, FactValue]:
    fact = BASE.get(name)
    if fact is None or stage not in fact.stages:
        raise ValueError(f"there is no fact {name} at stage {stage}")
    if not isinstance(told, bool | int | str) or type(told) is not _TYPES.get(fact.type):
        raise ValueError(f"`{name}` must be a {fact.type}")
    return name, told


def _string(value: JsonObject, key: str) -> str:
    told = value.get(key, "")
    if not isinstance(told, str):
        raise ValueError(f"`{key}` must be a text")  # noqa: TRY004 - told as the others
    return told


def _arguments(value: JsonValue) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
