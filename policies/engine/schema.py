"""Which keys may a policy file hold, and of what type?

One class per section; a field's description and default are what the documentation and editors show. What stands in
rules, exceptions and tests is in ``schema_rules.py``; checks that need more than one field are in the ``load`` files.
"""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, WrapValidator

from gateway.yamlfile.validate import Sections, Shape
from policies.engine.schema_rules import (
    CallSection,
    ExceptionSection,
    ExpectSection,
    MatchSection,
    RuleSection,
    TestSection,
)
from policies.engine.schema_words import (
    ENTITY,
    LANGUAGE,
    PATTERNS,
    WORD,
    Glob,
    Id,
    Identifier,
    Level,
    ListName,
    Mode,
    Section,
    ToolName,
    list_or_name,
)

NamesOrList: TypeAlias = Annotated[
    tuple[str, ...], WrapValidator(list_or_name, json_schema_input_type=tuple[str, ...] | str)
]
Points: TypeAlias = Annotated[int, Field(ge=1, le=1_000)]

__all__ = ["SECTIONS", "SHAPE", "Document", "ListName", "Section", "SpecSection"]


class MetadataSection(Section):
    """What the policy is called, and who answers for it."""

    name: Id = Field(description="The policy's name in answers, metrics and records; each file needs its own.")
    owner: str = Field(default="", description="Who answers for the policy, and for each rule without an `owner`.")


class RolloutSection(Section):
    """For whom an enforcing policy acts; for all others it only watches."""

    percent: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="For this share of requests. They are told apart by their content: sending one again changes "
        "nothing.",
    )
    tenants: tuple[Glob, ...] = Field(
        default=(), min_length=1, description="Always for these tenants, or globs of them."
    )


class LevelSection(Section):
    """Which rules act and which are evaluated, by their `level`."""

    blocking: int = Field(default=1, ge=1, le=4, description="Rules up to this level act.")
    detection: int | None = Field(
        default=None,
        ge=1,
        le=4,
        description="Rules up to this level are evaluated and reported; as `blocking` if not given, never below it.",
    )


class SeveritySection(Section):
    """What a hit scores, by its rule's severity."""

    critical: Points = Field(default=5, description="Points of a critical rule.")
    error: Points = Field(default=4, description="Points of an error.")
    warning: Points = Field(default=3, description="Points of a warning.")
    notice: Points = Field(default=2, description="Points of a notice.")


class ThresholdSection(Section):
    """From how many points on a stage's score blocks."""

    instructions: Points = Field(default=5, description="Operator and user text.")
    data: Points = Field(default=5, description="Untrusted text: mail, web pages, tool results, files.")
    tools: Points = Field(default=5, description="Definitions of the tools that the request offers.")
    tool_call: Points = Field(default=5, description="Calls that the model makes.")
    output: Points = Field(default=5, description="What the model answers.")


class ScoringSection(Section):
    """How hits of `score` rules add up."""

    severity: SeveritySection = Field(
        default_factory=SeveritySection.model_construct, description="Points by severity."
    )
    threshold: ThresholdSection = Field(
        default_factory=ThresholdSection.model_construct, description="Thresholds by stage."
    )


class StreamingSection(Section):
    """How a streamed answer is released while it is checked."""

    mode: Literal["hold", "window"] = Field(
        default="hold",
        description="`hold`: the whole answer is held until it is checked. `window`: released but for its last "
        "`window_chars` characters; only for rules that a finite piece of text decides.",
    )
    window_chars: int = Field(default=512, ge=16, le=65_536, description="How many characters a window holds back.")
    max_hold_ms: int = Field(
        default=60_000,
        ge=100,
        le=600_000,
        description="From the first held event on. When it runs out the answer is blocked, never released.",
    )


class RecognizerSection(Section):
    """A kind of personal data that your organisation knows and the detector does not."""

    entity: str = Field(pattern=ENTITY, description="What it is called, in capitals: `STAFF_NUMBER`.")
    pattern: str = Field(min_length=1, max_length=2_000, description="A regular expression in RE2's syntax.")
    score: float = Field(default=0.5, ge=0, le=1, description="How sure a match is by itself.")
    context: tuple[str, ...] = Field(default=(), description="Words that make a match nearby surer.")


class PiiSection(Section):
    """Personal data: `det.pii`."""

    languages: tuple[Annotated[str, Field(pattern=LANGUAGE)], ...] = Field(
        default=("en",), min_length=1, description="Whose patterns are looked for."
    )
    entities: tuple[Annotated[str, Field(pattern=ENTITY)], ...] = Field(
        default=(), description="Which kinds, in Presidio's names; none given: every pattern of `languages`."
    )
    threshold: float = Field(default=0.4, ge=0, le=1, description="Matches below this score are left out.")
    ner: bool = Field(default=False, description="Also look for names of people and places, by a language model.")
    ner_timeout_ms: int = Field(
        default=2_000, ge=10, le=60_000, description="How long that may take; then `on_error` decides."
    )
    recognizers: tuple[RecognizerSection, ...] = Field(default=(), description="Further kinds.")


class UrlsSection(Section):
    """Links and images in output: `det.urls`."""

    allowed_hosts: NamesOrList = Field(
        default=(),
        description="Hosts that may be linked to: names, `*.example.com` for every name below, or `lists.NAME`.",
    )
    protected_hosts: NamesOrList = Field(
        default=(), description="Hosts that no other may look like: names, or `lists.NAME`."
    )


class SchemaSection(Section):
    """What output must look like: `det.schema`."""

    output: dict[str, object] | None = Field(
        default=None, description="A JSON Schema that the answer, read as JSON, must be valid against."
    )


class ExternalSection(Section):
    """A classifier of your own or of a vendor, over HTTP."""

    name: Identifier = Field(description="Conditions see it as `det.NAME`.")
    kind: Literal["azure_prompt_shields", "lakera", "webhook"] = Field(description="Which service's way it speaks.")
    url: str = Field(description="Its whole address: https, or http on this machine.")
    key: str | None = Field(default=None, description="Reference to its key: `env:NAME` or `file:PATH`, never the key.")
    allow_private: bool = Field(
        default=False,
        description="Let the host's name lead to this machine or to a private network. Not needed where `url` holds "
        "the address itself or `localhost`.",
    )
    allow_addresses: tuple[str, ...] = Field(
        default=(),
        description="Networks or addresses that the host may lead to besides public ones, such as `10.20.0.0/16`.",
    )
    timeout_ms: int = Field(default=500, ge=10, le=60_000, description="Its budget; then `on_error` decides.")
    max_chars: int = Field(
        default=20_000,
        ge=1,
        le=10_000_000,
        description="A longer text is asked about in pieces of so many characters, or of fewer where the service takes "
        "no more; one of more than 8 pieces is not sent: then `on_error` decides.",
    )


class DetectorsSection(Section):
    """What detectors are told by this policy; without it they run with their defaults."""

    pii: PiiSection = Field(default_factory=PiiSection.model_construct, description="See `spec.detectors.pii` below.")
    urls: UrlsSection = Field(
        default_factory=UrlsSection.model_construct, description="See `spec.detectors.urls` below."
    )
    output_schema: SchemaSection = Field(
        alias="schema", default_factory=SchemaSection.model_construct, description="See `spec.detectors.schema` below."
    )
    external: tuple[ExternalSection, ...] = Field(default=(), description="Classifiers over HTTP.")


class ToolSection(Section):
    """What is known of a tool. One that no policy declares counts as `egress` with every argument a sink."""

    effect: Literal["read", "write", "egress"] = Field(
        description="How far it reaches: it reads, changes something inside, or sends something out."
    )
    sink_args: tuple[str, ...] | None = Field(
        default=None, description="Arguments through which data could leave: recipients, addresses. All if not given."
    )
    allowed: tuple[str, ...] | None = Field(
        default=None,
        description="Names of `lists` whose values its sink arguments may always hold.",
    )


class SpecSection(Section):
    """The policy itself."""

    mode: Mode = Field(
        description="`off`: nothing is evaluated. `shadow`: rules are evaluated and recorded, and never act. "
        "`enforce`: they act."
    )
    match: MatchSection = Field(
        default_factory=MatchSection.model_construct,
        description="For which requests it stands; every one if not given.",
    )
    rollout: RolloutSection | None = Field(default=None, description="Enforce for some first. Everyone if not given.")
    level: LevelSection = Field(default_factory=LevelSection.model_construct, description="See `spec.level` below.")
    scoring: ScoringSection = Field(
        default_factory=ScoringSection.model_construct, description="See `spec.scoring` below."
    )
    on_error: dict[Annotated[str, Field(pattern=WORD)], Literal["block", "report"]] = Field(
        default_factory=dict[str, Literal["block", "report"]],
        description="What a detector that fails means, by its name or `default`: `block` refuses what it could not "
        "look at, `report` goes on and says so. `block` if not given.",
    )
    streaming: StreamingSection = Field(
        default_factory=StreamingSection.model_construct, description="See `spec.streaming` below."
    )
    min_isolation: Level | None = Field(
        default=None, description="The least isolation for matching requests; the strictest of all that ask wins."
    )
    min_separation: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="What a target's card must show before it gets data of matching requests: a `separation` of which "
        "the interval's lower end is at least so high (0-1). The strictest of all that ask wins.",
    )
    max_attack_success: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The same of `attack_success`, of which the interval's upper end may be at most so high (0-1).",
    )
    lists: dict[Identifier, tuple[str, ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="Lists of texts by name: `lists.NAME` in conditions and settings.",
    )
    detectors: DetectorsSection = Field(
        default_factory=DetectorsSection.model_construct, description="See `spec.detectors` below."
    )
    tools: dict[ToolName, ToolSection] = Field(
        default_factory=dict[str, ToolSection], description="What is known of tools, by name."
    )
    rules: tuple[RuleSection, ...] = Field(default=(), description="The rules.")
    exceptions: tuple[ExceptionSection, ...] = Field(default=(), description="Which rules are suspended, and why.")
    tests: tuple[TestSection, ...] = Field(default=(), description="Cases that show what the rules do.")


class Document(Section):
    """The whole file: one policy."""

    api_version: Literal["splitgate/v1"] = Field(alias="apiVersion", description="The version of this format.")
    kind: Literal["Policy"] = Field(description="What the file holds.")
    metadata: MetadataSection = Field(description="See `metadata` below.")
    spec: SpecSection = Field(description="See `spec` below.")


# Where each section stands in the file: `*` is any list index or name.
SECTIONS: Final[Sections] = (
    ((), Document),
    (("metadata",), MetadataSection),
    (("spec",), SpecSection),
    (("spec", "match"), MatchSection),
    (("spec", "rollout"), RolloutSection),
    (("spec", "level"), LevelSection),
    (("spec", "scoring"), ScoringSection),
    (("spec", "scoring", "severity"), SeveritySection),
    (("spec", "scoring", "threshold"), ThresholdSection),
    (("spec", "streaming"), StreamingSection),
    (("spec", "detectors"), DetectorsSection),
    (("spec", "detectors", "pii"), PiiSection),
    (("spec", "detectors", "pii", "recognizers", "*"), RecognizerSection),
    (("spec", "detectors", "urls"), UrlsSection),
    (("spec", "detectors", "schema"), SchemaSection),
    (("spec", "detectors", "external", "*"), ExternalSection),
    (("spec", "tools", "*"), ToolSection),
    (("spec", "rules", "*"), RuleSection),
    (("spec", "exceptions", "*"), ExceptionSection),
    (("spec", "exceptions", "*", "match"), MatchSection),
    (("spec", "tests", "*"), TestSection),
    (("spec", "tests", "*", "tool"), CallSection),
    (("spec", "tests", "*", "expect"), ExpectSection),
)

SHAPE: Final = Shape(document=Document, sections=SECTIONS, patterns=PATTERNS)
