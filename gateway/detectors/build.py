"""Which detectors do these policies need, and which names may their conditions use?

A detector is made, and its library loaded, when a rule's condition first names it: ``baseline`` never loads Presidio.
The rule: equal settings share one instance, and a key says nothing of the settings' values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Final, TypeAlias, assert_never

from gateway.detectors import canary, injection, invisible, pii, schema, secrets, size, urls
from gateway.detectors.detector import Detector, SlowDetector
from gateway.detectors.external._call import External, Wire, facts
from gateway.detectors.external.azure_prompt_shields import PromptShields
from gateway.detectors.external.lakera import LakeraGuard
from gateway.detectors.external.webhook import Webhook
from gateway.detectors.scanner import Detectors
from gateway.domain.detection import Fact, Vocabulary
from gateway.domain.errors import ConfigError
from gateway.domain.ports import UpstreamClient
from gateway.domain.value import value
from policies.engine.model import DetectorSettings, ExternalSettings, PiiSettings, Policy, SettingsError

Client: TypeAlias = Callable[[], UpstreamClient]
# By policy, then by the detector's name in conditions: the instance's key.
Instances: TypeAlias = Mapping[str, Mapping[str, str]]


@value
class _Kind:
    """One detector: its facts, its own part of the settings (None: it has none), and how it is made, in one way."""

    facts: tuple[Fact, ...]
    settings: object = None
    quick: Callable[[], Detector] | None = None
    slow: Callable[[], SlowDetector] | None = None


def _kinds(settings: DetectorSettings, client: Client) -> Mapping[str, _Kind]:
    """Every detector that conditions under ``settings`` can name. Raises ``SettingsError``."""
    return {
        "invisible": _Kind(facts=invisible.FACTS, quick=invisible.Invisible),
        "injection": _Kind(facts=injection.FACTS, quick=injection.Injection),
        "secrets": _Kind(facts=secrets.FACTS, quick=secrets.Secrets),
        "canary": _Kind(facts=canary.FACTS, quick=canary.Canary),
        "schema": _schema(settings),
        "size": _Kind(facts=size.FACTS, quick=size.Size),
        "urls": _Kind(facts=urls.FACTS, settings=settings.urls, quick=lambda: urls.Urls(settings.urls)),
        "pii": _pii(settings.pii),
        **{one.name: _external(one, client) for one in settings.external},
    }


def _pii(settings: PiiSettings) -> _Kind:
    """With a language model it is asked, and its answer holds what the patterns find."""
    make = partial(pii.Pii, settings)
    quick, slow = (None, make) if settings.ner else (make, None)
    try:
        return _Kind(facts=pii.facts_of(settings), settings=settings, quick=quick, slow=slow)
    except ConfigError as error:
        raise SettingsError(str(error).removeprefix(f"{error.file}: "), ("pii",)) from error


def _schema(settings: DetectorSettings) -> _Kind:
    known = settings.output_schema
    if known is not None and not schema.usable(known):
        raise SettingsError(
            "output_schema is no JSON schema that texts can be checked against: let it refer to nothing outside it, "
            "and write its patterns without look-around",
            ("output_schema",),
        )
    return _Kind(facts=schema.FACTS, settings=known, quick=lambda: schema.Schema(known))


def _external(settings: ExternalSettings, client: Client) -> _Kind:
    return _Kind(
        facts=facts(settings.name),
        settings=settings,
        slow=lambda: External(settings, _wire(settings), client),
    )


def _wire(settings: ExternalSettings) -> Wire:
    match settings.kind:
        case "azure_prompt_shields":
            return PromptShields()
        case "lakera":
            return LakeraGuard()
        case "webhook":
            return Webhook()
        case _:
            assert_never(settings.kind)


def _nobody() -> UpstreamClient:
    """Where nothing may be sent, external classifiers fail when they are asked."""
    raise LookupError("there is no client here to ask external classifiers with")


def vocabulary(settings: DetectorSettings) -> Vocabulary:
    """The facts of every detector that conditions under ``settings`` can name.

    Raises:
        SettingsError: a detector cannot be used with its settings.
    """
    return {fact.name: fact for kind in _kinds(settings, _nobody).values() for fact in kind.facts}


def closed_facts() -> frozenset[str]:
    """The facts whose words are never the text's own. What a service calls what it saw is not among them."""
    return frozenset(fact.name for kind in _PLAIN.values() for fact in kind.facts if fact.closed)


def keys_of(policies: Sequence[Policy]) -> Instances:
    """The keys that ``build`` would give, but for what tells credentials apart; no detector is made.

    Raises:
        SettingsError: a detector cannot be used with its settings.
    """
    keys: dict[str, Mapping[str, str]] = {}
    for policy in policies:
        kinds = _kinds(policy.detectors, _nobody)
        needed = sorted({name for rule in policy.rules for name in rule.when.detectors})
        keys[policy.name] = {name: next(_keys(name, kinds[name])) for name in needed}
    return keys


def build(policies: Sequence[Policy], client: Client | None) -> tuple[Detectors, Instances]:
    """The detectors that the rules of ``policies`` name, and for each policy which instances are its own.

    ``client`` reaches the services of external classifiers; without one those fail when asked.

    Raises:
        SettingsError: a detector cannot be used with its settings.
    """
    made = _Made()
    instances: dict[str, Mapping[str, str]] = {}
    for policy in policies:
        kinds = _kinds(policy.detectors, client or _nobody)
        needed = sorted({name for rule in policy.rules for name in rule.when.detectors})
        instances[policy.name] = {name: made.key(name, kinds[name]) for name in needed}
    return Detectors(made.quick, made.slow), instances


@dataclass(slots=True, kw_only=True)
class _Made:
    """The instances so far."""

    quick: dict[str, Detector] = field(default_factory=dict[str, Detector])
    slow: dict[str, SlowDetector] = field(default_factory=dict[str, SlowDetector])
    settings: dict[str, object] = field(default_factory=dict[str, object])

    def key(self, name: str, kind: _Kind) -> str:
        """The instance with these settings, made if there is none."""
        key = next(key for key in _keys(name, kind) if self.settings.get(key, kind.settings) == kind.settings)
        if key not in self.settings:
            self.settings[key] = kind.settings
            if kind.quick:
                self.quick[key] = kind.quick()
            if kind.slow:
                self.slow[key] = kind.slow()
        return key


def _keys(name: str, kind: _Kind) -> Iterator[str]:
    """The key for these settings, and further ones for those that differ in a credential alone."""
    plain = _PLAIN.get(name)
    if plain is not None and plain.settings == kind.settings:
        yield name
    digest = sha256(repr(kind.settings).encode()).hexdigest()[:8]
    yield f"{name}@{digest}"
    yield from (f"{name}@{digest}-{number}" for number in count(2))


_PLAIN: Final = _kinds(DetectorSettings(), _nobody)
