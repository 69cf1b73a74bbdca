"""What does a policy tell its detectors, and can they work with it?"""

import re
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.address import PUBLIC_ONLY, is_loopback
from gateway.domain.detection import Vocabulary
from gateway.domain.target import Secret
from gateway.yamlfile.addresses import addresses_of
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from gateway.yamlfile.secrets import Surroundings, resolve
from policies.engine.load_settings import named_list
from policies.engine.model import DetectorSettings, ExternalSettings, PiiSettings, Recognizer, UrlSettings
from policies.engine.pattern import wrong_with_pattern
from policies.engine.schema import ExternalSection, PiiSection, RecognizerSection, SpecSection
from policies.engine.schema_words import ListName, is_object

_LOC: Final = ("spec", "detectors")
_HOST: Final = re.compile(r"(?:\*\.)?[^\s/:@*?#\[\]\\%]{1,253}")


def detector_names(vocabulary: Vocabulary) -> frozenset[str]:
    """The names of detectors, as conditions write them after ``det.``."""
    return frozenset(name.split(".")[1] for name in vocabulary if name.startswith("det."))


def load_detectors(
    spec: SpecSection, report: Report, surroundings: Surroundings, built_in: frozenset[str]
) -> DetectorSettings:
    section = spec.detectors
    schema = section.output_schema.output
    return DetectorSettings(
        pii=_pii(section.pii, report),
        urls=UrlSettings(
            allowed_hosts=_hosts(section.urls.allowed_hosts, spec, (*_LOC, "urls", "allowed_hosts"), report),
            protected_hosts=_hosts(section.urls.protected_hosts, spec, (*_LOC, "urls", "protected_hosts"), report),
        ),
        output_schema=schema if is_object(schema) else None,
        external=_externals(section.external, report, surroundings, built_in),
    )


def _pii(section: PiiSection, report: Report) -> PiiSettings:
    return PiiSettings(
        languages=section.languages,
        entities=section.entities,
        threshold=section.threshold,
        ner=section.ner,
        ner_timeout_ms=section.ner_timeout_ms,
        recognizers=tuple(
            _recognizer(one, (*_LOC, "pii", "recognizers", index), report)
            for index, one in enumerate(section.recognizers)
        ),
    )


def _recognizer(section: RecognizerSection, loc: Loc, report: Report) -> Recognizer:
    wrong = wrong_with_pattern(section.pattern)
    if wrong is not None:
        report.add((*loc, "pattern"), f"the pattern {wrong}")
    return Recognizer(entity=section.entity, pattern=section.pattern, score=section.score, context=section.context)


def _hosts(names: tuple[str, ...], spec: SpecSection, loc: Loc, report: Report) -> tuple[str, ...]:
    if isinstance(names, ListName):
        (name,) = names
        names = named_list(name, spec, loc, report)
        loc = ("spec", "lists", name.removeprefix("lists."))
    for index, host in enumerate(names):
        if not _HOST.fullmatch(host):
            report.add((*loc, index), "must be a host name alone, or `*.` and one: no scheme, port or path")
    return tuple(host.lower() for host in names)


def _externals(
    sections: tuple[ExternalSection, ...], report: Report, surroundings: Surroundings, built_in: frozenset[str]
) -> tuple[ExternalSettings, ...]:
    taken = set(built_in)
    made: list[ExternalSettings] = []
    for index, section in enumerate(sections):
        loc: Loc = (*_LOC, "external", index)
        if section.name in taken:
            report.add((*loc, "name"), f"another detector is called `{section.name}`; choose another name")
            continue
        taken.add(section.name)
        made.append(_external(section, loc, report, surroundings))
    return tuple(made)


def _external(section: ExternalSection, loc: Loc, report: Report, surroundings: Surroundings) -> ExternalSettings:
    addresses = PUBLIC_ONLY
    wrong = _wrong_with_url(section.url)
    if wrong is not None:
        report.add((*loc, "url"), f"`url` {wrong}")
    else:
        addresses = addresses_of(
            *("url", urlsplit(section.url).hostname, loc, report),
            private=section.allow_private,
            networks=section.allow_addresses,
        )
    return ExternalSettings(
        name=section.name,
        kind=section.kind,
        url=section.url,
        key=_key(section.key, (*loc, "key"), report, surroundings),
        addresses=addresses,
        timeout_ms=section.timeout_ms,
        max_chars=section.max_chars,
    )


def _key(reference: str | None, loc: Loc, report: Report, surroundings: Surroundings) -> Secret | None:
    if reference is None:
        return None
    try:
        return resolve(reference, surroundings, at=loc)
    except ValueError as error:
        report.add(loc, f"`key`: {error}")
        return None


def _wrong_with_url(url: str) -> str | None:
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        return "holds characters that no address has; percent-encode them"
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        return "is not a valid address; write https://host/path"
    if address.scheme not in ("http", "https") or not address.hostname or port == 0 or "#" in url:
        return "must be an https address, such as https://host/path"
    if "@" in address.netloc:
        return "must not hold credentials; use `key: env:NAME`"
    if address.scheme == "http" and not is_loopback(address.hostname):
        return "must be https: prompts would cross the network unencrypted; http is for this machine only"
    return None
