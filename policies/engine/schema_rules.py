"""Which keys may a rule, an exception and a test hold?"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from policies.engine.schema_words import DATE, Glob, Id, Kind, Mode, Section, StageWord, Tag, ToolName, is_object

_GLOBS = "Names, or globs such as `team-*`."
Severity: TypeAlias = Literal["critical", "error", "warning", "notice"]
ActionWord: TypeAlias = Literal["score", "block", "redact", "pseudonymise", "require_approval", "set_channel"]
Ids: TypeAlias = tuple[Id, ...]


class MatchSection(Section):
    """For which requests it stands: those that meet every key given here."""

    tenants: tuple[Glob, ...] = Field(default=(), min_length=1, description=f"Tenants of callers. {_GLOBS}")
    models: tuple[Glob, ...] = Field(default=(), min_length=1, description=f"Models, as clients ask for them. {_GLOBS}")
    routes: tuple[Glob, ...] = Field(
        default=(),
        min_length=1,
        description="Dialects: `split`, `openai_chat`, `openai_responses`, `anthropic_messages`, `openai_embeddings`.",
    )
    keys: tuple[Glob, ...] = Field(default=(), min_length=1, description=f"Callers' keys, by name. {_GLOBS}")


class RuleSection(Section):
    """One rule: where its condition holds, its action is asked for."""

    id: Id = Field(description="What the rule is called in answers, records, exceptions and tests.")
    stage: StageWord = Field(description="Which part of an exchange it looks at.")
    severity: Severity = Field(description="How bad a hit is; `spec.scoring.severity` has the points.")
    when: str = Field(
        min_length=1,
        description="The condition, in CEL over facts: `det.secrets.found && segment.origin == 'email'`.",
    )
    action: ActionWord = Field(
        description="`score` adds the severity's points. `block` refuses. `redact` takes out what detectors marked, "
        "`pseudonymise` puts placeholders there and maps them back in the answer. `require_approval` holds a tool call "
        "or an answer until a person says yes. `set_channel` treats an instruction as data."
    )
    message: str = Field(min_length=1, max_length=500, description="What the caller is told. Never quote the text.")
    why: str = Field(default="", description="Why the rule exists, for whoever reads the policy.")
    owner: str = Field(default="", description="Who answers for the rule; `metadata.owner` if not given.")
    level: int = Field(default=1, ge=1, le=4, description="How keen it is, 1 to 4: see `spec.level`.")
    mode: Mode | None = Field(default=None, description="Weaker than `spec.mode`, for this rule alone.")
    tags: tuple[Tag, ...] = Field(
        default=(), description="What it is about: OWASP LLM or Agentic ids, MITRE ATLAS ids."
    )
    only: tuple[Kind, ...] = Field(
        default=(),
        min_length=1,
        description="With `redact` or `pseudonymise`: only these kinds of marks. All kinds of the detectors in `when` "
        "if not given.",
    )
    restore_anywhere: bool = Field(
        default=False,
        description="With `pseudonymise`: map placeholders back also inside URLs, attributes and arguments of tools "
        "that send something out.",
    )
    channel: Literal["data"] | None = Field(
        default=None, description="With `set_channel`: always `data`. Trust is lowered, never raised, by a rule."
    )


class ExceptionSection(Section):
    """Suspends rules for a while. Hits are still recorded, and nothing else is skipped."""

    id: Id = Field(description="What the exception is called in records.")
    rules: Ids = Field(min_length=1, description="The exact ids of the rules.")
    reason: str = Field(min_length=1, description="Why.")
    approver: str = Field(min_length=1, description="Who said so.")
    expires: Annotated[str, Field(pattern=DATE)] = Field(description="The last day on which it holds, in UTC.")
    match: MatchSection = Field(
        default_factory=MatchSection.model_construct,
        description="For which requests; for all of the policy's if not given.",
    )


def _arguments(value: object) -> str | Mapping[str, object]:
    """A mapping, or the JSON text itself."""
    if isinstance(value, str) or is_object(value):
        return value
    raise PydanticCustomError("arguments", "must be a mapping of arguments, or their JSON as text")


class CallSection(Section):
    """The tool that a case is about."""

    name: ToolName = Field(description="Its name. `spec.tools` says what it may do.")
    arguments: Annotated[
        str | Mapping[str, object] | None, PlainValidator(_arguments, json_schema_input_type=str | dict[str, object])
    ] = Field(default=None, description="At `tool_call`: the arguments, or their JSON as text, be it valid or not.")
    offered: bool | None = Field(default=None, description="At `tool_call`: whether the request offered the tool.")


class ExpectSection(Section):
    """What must come of a case."""

    decision: Literal["allow", "redact", "require_approval", "block"] = Field(description="The verdict.")
    rules: Ids = Field(default=(), description="The rules that hit: these, and no others.")
    text: str | None = Field(default=None, description="With `redact`: the whole text after it.")


def _expect(value: object) -> object:
    """The bare word stands for a decision without rules."""
    return {"decision": value} if isinstance(value, str) else value


class TestSection(Section):
    """A case: one text at one stage, and what must come of it."""

    __test__ = False

    name: str = Field(min_length=1, max_length=200, description="What it shows; each case needs its own.")
    stage: StageWord = Field(description="Where the text stands.")
    text: str | None = Field(default=None, description="The text; at `tool_call` write `tool` instead.")
    tool: CallSection | None = Field(
        default=None, description="The call at `tool_call`; the definition's name at `tools`."
    )
    instructions: str = Field(default="", description="At `tool_call` and `output`: what the request asked for.")
    data: str = Field(default="", description="At `tool_call` and `output`: the request's data.")
    segment: dict[str, object] = Field(
        default_factory=dict[str, object], description="Facts of the segment: `{origin: email}`."
    )
    request: dict[str, object] = Field(
        default_factory=dict[str, object], description="Facts of the request: `{tenant: acme}`."
    )
    output: dict[str, object] = Field(
        default_factory=dict[str, object], description="Facts of the output: `{channel: reasoning}`."
    )
    tainted: bool | None = Field(default=None, description="Whether the context holds untrusted data.")
    det: dict[str, dict[str, object]] = Field(
        default_factory=dict[str, dict[str, object]],
        description="What external classifiers are taken to say, since no test asks them: "
        "`{my_classifier: {flagged: true, score: 0.9}}`.",
    )
    expect: Annotated[
        ExpectSection, BeforeValidator(_expect, json_schema_input_type=Literal["allow"] | ExpectSection)
    ] = Field(description="`allow`, or `{decision, rules, text}`.")
    near: Ids = Field(default=(), description="Rules that this case just misses: they must not hit.")
