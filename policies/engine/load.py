"""What does a policy file say, and can it be used?

Reads the file, checks its shape, then what its sections mean together; all that is wrong is told at once. The parts
have files of their own: ``load_settings.py``, ``load_detectors.py``, ``load_rules.py``, ``load_exceptions.py``,
``load_cases.py``, ``stream_checks.py``.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from gateway.domain.detection import Vocabulary
from gateway.yamlfile.problems import refuse
from gateway.yamlfile.report import Report
from gateway.yamlfile.secrets import Surroundings
from gateway.yamlfile.source import read_unchanged
from gateway.yamlfile.validate import validate
from policies.engine.load_cases import load_cases
from policies.engine.load_detectors import detector_names, load_detectors
from policies.engine.load_exceptions import load_exceptions
from policies.engine.load_rules import Terms, load_rules
from policies.engine.load_settings import (
    bar_of,
    isolation_of,
    levels_of,
    load_on_error,
    load_rollout,
    load_streaming,
    load_tools,
    match_of,
    severities_of,
    thresholds_of,
    warn_of_unused_lists,
)
from policies.engine.model import DetectorSettings, Policy, SettingsError
from policies.engine.schema import SHAPE, Document
from policies.engine.stand_ins import SALVAGE
from policies.engine.stream_checks import check_streaming
from policies.engine.vocabulary import BASE

# Which facts detectors give under these settings; raises ``SettingsError`` for settings that no detector can use.
VocabularyOf: TypeAlias = Callable[[DetectorSettings], Vocabulary]


def load_policy(
    file: str,
    raw: bytes,
    vocabulary: VocabularyOf,
    environ: Mapping[str, str],
    *,
    now: float | None = None,
    offline: bool = False,
) -> Policy:
    """Read and check one policy.

    ``now`` (seconds since the epoch) tells which exceptions have expired. ``offline`` checks only the form of
    references to credentials and reads none: such a policy can ask no external classifier.

    Raises:
        InvalidConfiguration: all that is wrong with the file, with lines and columns.
    """
    source = read_unchanged(file, raw)
    document, faults = validate(source, SHAPE)
    if document is None:
        document = SALVAGE.salvage(source.value, [fault.loc for fault in faults])
    report = Report(source=source, faults=faults)
    if document is None:
        refuse(report.problems)
    surroundings = Surroundings(environ=environ, folder=Path(file).parent, offline=offline)
    policy = _build(document, report, vocabulary, surroundings, time.time() if now is None else now)
    report.finish()
    return replace(policy, digest=hashlib.sha256(raw).hexdigest(), warnings=tuple(report.warnings))


def _build(
    document: Document, report: Report, vocabulary: VocabularyOf, surroundings: Surroundings, now: float
) -> Policy:
    spec, owner = document.spec, document.metadata.owner
    built_in = detector_names(vocabulary(DetectorSettings()))
    detectors = load_detectors(spec, report, surroundings, built_in)
    facts = _facts(detectors, report, vocabulary)
    terms = Terms(
        vocabulary={**BASE, **facts},
        constants={f"lists.{name}": texts for name, texts in spec.lists.items()},
        pii=detectors.pii,
        owner=owner,
    )
    rules = load_rules(spec, report, terms)
    check_streaming(spec, rules, report)
    warn_of_unused_lists(spec, report)
    return Policy(
        name=document.metadata.name,
        owner=owner,
        file=report.source.file,
        digest="",
        mode=spec.mode,
        match=match_of(spec.match),
        rollout=load_rollout(spec, report),
        levels=levels_of(spec.level, report),
        severities=severities_of(spec.scoring.severity),
        thresholds=thresholds_of(spec.scoring.threshold),
        on_error=load_on_error(spec, report, detector_names(facts)),
        streaming=load_streaming(spec.streaming, report),
        min_isolation=isolation_of(spec),
        bar=bar_of(spec),
        lists=spec.lists,
        detectors=detectors,
        tools=load_tools(spec, report),
        rules=tuple(rule for rule in rules if rule is not None),
        exceptions=load_exceptions(spec, report, now),
        cases=load_cases(spec, report),
    )


def _facts(detectors: DetectorSettings, report: Report, vocabulary: VocabularyOf) -> Vocabulary:
    try:
        return vocabulary(detectors)
    except SettingsError as error:
        report.add(("spec", "detectors", *error.place), error.message)
    # Conditions are still checked against the names that the settings would give.
    try:
        return vocabulary(DetectorSettings(external=detectors.external))
    except SettingsError:
        return vocabulary(DetectorSettings())
