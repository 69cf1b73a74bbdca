"""What does a policy say, once its file is read and checked?

Frozen values without file positions or YAML. ``load.py`` makes them, ``ruleset.py`` chooses among them for a request,
``evaluate.py`` runs them.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.card import NO_BAR, Bar
from gateway.domain.detection import FactValue, Stage
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.target import Secret
from gateway.domain.value import value
from gateway.domain.verdict import Action
from policies.engine.condition import Condition

API_VERSION: Final = "splitgate/v1"

Mode: TypeAlias = Literal["off", "shadow", "enforce"]
Severity: TypeAlias = Literal["critical", "error", "warning", "notice"]
# What a failing detector means: `block` refuses what it could not look at, `report` goes on and says so.
OnError: TypeAlias = Literal["block", "report"]


class Effect(IntEnum):
    """How far a tool reaches. A tool that no policy declares has the strictest."""

    READ = 0
    WRITE = 1
    EGRESS = 2

    @property
    def label(self) -> str:
        """The lower-case word in files and facts."""
        return self.name.lower()


@value
class Match:
    """For which requests a policy stands. Each is a tuple of names or of globs (``team-*``); empty means every one."""

    tenants: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@value
class Rollout:
    """For whom an enforcing policy acts; for all others it watches.

    ``percent`` (0-100) is of requests, told apart by a digest of their content, so that sending one again changes
    nothing. ``tenants`` always get it. None of both given: everybody.
    """

    percent: float | None = None
    tenants: tuple[str, ...] = ()


@value
class Levels:
    """Rules up to ``blocking`` act, rules up to ``detection`` are evaluated (the OWASP CRS's paranoia levels, 1-4)."""

    blocking: int = 1
    detection: int = 1


@value
class Streaming:
    """How output is released: ``hold`` whole, or past a ``window`` of characters that may still become a match.

    ``max_hold_ms`` counts from the first held event; when it runs out the answer is blocked, never released.
    """

    mode: Literal["hold", "window"] = "hold"
    window_chars: int = 512
    max_hold_ms: int = 60_000


@value
class ToolRule:
    """What a tool may do. ``sink_args`` are the arguments through which data could leave; None: all of them.

    ``allowed`` are values that are never held against it, from the policy's lists; None: no list was named.
    """

    effect: Effect
    sink_args: tuple[str, ...] | None = None
    allowed: frozenset[str] | None = None


UNKNOWN_TOOL: Final = ToolRule(effect=Effect.EGRESS)


@value
class Recognizer:
    """A custom entity for ``pii``: an RE2 pattern, its score, and words nearby that raise it."""

    entity: str
    pattern: str
    score: float = 0.5
    context: tuple[str, ...] = ()


@value
class PiiSettings:
    """``entities`` in Presidio's names, empty for all patterns of ``languages``; ``threshold`` 0-1.

    ``ner`` adds named entities by spaCy, in processes of their own, within ``ner_timeout_ms``.
    """

    languages: tuple[str, ...] = ("en",)
    entities: tuple[str, ...] = ()
    threshold: float = 0.4
    ner: bool = False
    ner_timeout_ms: int = 2_000
    recognizers: tuple[Recognizer, ...] = ()


@value
class UrlSettings:
    """``allowed_hosts``: names, or ``*.example.com`` for every name below. ``protected``: names not to be imitated."""

    allowed_hosts: tuple[str, ...] = ()
    protected_hosts: tuple[str, ...] = ()


@value
class ExternalSettings:
    """A classifier over HTTP: conditions see it as ``det.NAME``."""

    name: str
    kind: Literal["azure_prompt_shields", "lakera", "webhook"]
    url: str
    key: Secret | None = None
    addresses: Addresses = PUBLIC_ONLY
    timeout_ms: int = 500
    max_chars: int = 20_000


@value
class DetectorSettings:
    """What a policy sets of its detectors; equal settings share one detector."""

    pii: PiiSettings = PiiSettings()
    urls: UrlSettings = UrlSettings()
    output_schema: JsonObject | None = None
    external: tuple[ExternalSettings, ...] = ()


class SettingsError(ValueError):
    """No detector can be made of these settings; ``place`` is where below ``detectors``: ``("pii", "entities", 0)``."""

    def __init__(self, message: str, place: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


@value
class Rule:
    """One rule. ``only`` narrows redaction to these kinds of marks; empty means all of the condition's detectors."""

    id: str
    stage: Stage
    severity: Severity
    when: Condition
    action: Action
    message: str
    why: str = ""
    owner: str = ""
    level: int = 1
    mode: Mode = "enforce"
    tags: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    # Whether placeholders are mapped back even inside URLs, attributes and arguments of egress tools.
    restore_anywhere: bool = False


@value
class ExceptionRule:
    """Suppresses findings of exact rules until ``expires`` (seconds since the epoch, end of that day in UTC)."""

    id: str
    rules: tuple[str, ...]
    reason: str
    approver: str
    expires: float
    match: Match = Match()


@value
class CallCase:
    """A tool call in a case: ``arguments`` is the JSON text, strict or not."""

    name: str
    arguments: str


@value
class Expectation:
    """``rules`` are exactly those that hit, by id, in any order."""

    decision: Literal["allow", "redact", "require_approval", "block"]
    rules: tuple[str, ...] = ()
    # The whole text after redaction, where the case says so.
    text: str | None = None


@value
class Case:
    """A test in the file: one text at one stage, what is known beside it, and what must come of it.

    ``facts`` set facts by dotted name (``segment.origin``, ``request.tenant``, ``tainted``). ``instructions`` and
    ``data`` are the request that a tool call or an output answers: what a sink argument may stem from. ``near`` names
    rules of which this is a near miss: they must not hit.
    """

    name: str
    stage: Stage
    text: str
    expect: Expectation
    facts: Mapping[str, FactValue] = field(default_factory=dict[str, FactValue])
    call: CallCase | None = None
    instructions: str = ""
    data: str = ""
    near: tuple[str, ...] = ()
    # The position in the file, for reports: line, counted from 1.
    line: int = 1


@value
class Policy:
    """One policy file.

    ``digest`` is the SHA-256 of the file's bytes, in hexadecimal digits. ``bar`` is what a target's card has to show
    before data goes there. ``warnings`` are what lint has to say beyond
    errors.
    """

    name: str
    owner: str
    file: str
    digest: str
    mode: Mode
    match: Match = Match()
    rollout: Rollout = Rollout()
    levels: Levels = Levels()
    severities: Mapping[Severity, int]
    thresholds: Mapping[Stage, int]
    on_error: Mapping[str, OnError] = field(default_factory=dict[str, OnError])
    streaming: Streaming = Streaming()
    min_isolation: Isolation | None = None
    bar: Bar = NO_BAR
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    detectors: DetectorSettings = DetectorSettings()
    tools: Mapping[str, ToolRule] = field(default_factory=dict[str, ToolRule])
    rules: tuple[Rule, ...] = ()
    exceptions: tuple[ExceptionRule, ...] = ()
    cases: tuple[Case, ...] = ()
    warnings: tuple[str, ...] = ()

    def on_error_of(self, detector: str) -> OnError:
        """What it means that ``detector`` (its name in conditions) could not look; closed unless said otherwise."""
        return self.on_error.get(detector, self.on_error.get("default", "block"))
