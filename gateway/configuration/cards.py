"""What does a model's card say, and how is one written?

Reading and writing stand together, so that whatever is written can be read again: ``written`` reads what it wrote
before it hands it out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.configuration.json_of import as_json
from gateway.configuration.schema_cards import SHAPE, CardDocument, ScoreSection
from gateway.domain.card import Added, Card, Latency, Score, Scores, Training
from gateway.yamlfile.problems import InvalidConfiguration, Loc, Problem, refuse
from gateway.yamlfile.regular import read_regular
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import MAX_BYTES, read_unchanged
from gateway.yamlfile.validate import validate

VERSION: Final = 1
_SCORES: Final = ("separation", "attack_success", "utility", "utility_under_attack", "fidelity", "refusals")


def load_card(path: Path) -> Card:
    """The card in the file.

    Raises:
        InvalidConfiguration: it cannot be read, or all that is wrong with it, with lines.
    """
    try:
        raw = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        refuse([Problem(file=str(path), message=_unreadable(error))], cause=error)
    return parse_card(str(path), raw)


def read_card(path: Path, loc: Loc, report: Report) -> Card | None:
    """The card in the file that is named at ``loc``; None once what is wrong with it is in the report.

    What is wrong inside it is told of its own lines.
    """
    try:
        raw = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        report.add(loc, f"the card {path} {_unreadable(error)}")
        return None
    try:
        return parse_card(str(path), raw)
    except InvalidConfiguration as error:
        # Several targets may name it.
        report.problems += [problem for problem in error.problems if problem not in report.problems]
        return None


def parse_card(file: str, raw: bytes) -> Card:
    """The card that these bytes of ``file`` say.

    Raises:
        InvalidConfiguration: all that is wrong with them, with lines.
    """
    source = read_unchanged(file, raw)
    document, faults = validate(source, SHAPE)
    report = Report(source=source, faults=faults)
    if document is None:
        refuse(report.problems)
    card = _card(document, report)
    report.finish()
    return card


def written(card: Card) -> str:
    """The file's text, the same for the same card.

    Raises:
        InvalidConfiguration: the card is none that could be read again.
    """
    text = "".join(f"{line}\n" for line in _lines(card))
    # What cannot be read is a mistake of whoever made the card, and is told of where it is made.
    parse_card("the card", text.encode())
    return text


def _unreadable(error: OSError) -> str:
    return f"cannot be read ({error.strerror}); `splitgate evaluate` makes one"


def _card(document: CardDocument, report: Report) -> Card:
    scores: dict[str, Score | None] = {
        name: _score(getattr(document.scores, name), ("scores", name), report) for name in _SCORES
    }
    added, latency, trained = document.added_tokens, document.latency_s, document.trained
    _expect_ordered(report, ("added_tokens", "p90"), "median", None if added is None else (added.median, added.p90))
    _expect_ordered(report, ("latency_s", "p90"), "p50", None if latency is None else (latency.p50, latency.p90))
    return Card(
        provider=document.provider,
        model=document.model,
        format=document.format,
        weights=document.weights,
        suite=document.suite,
        dataset=document.dataset,
        date=document.date,
        version=document.version,
        revision=document.revision,
        command=document.command,
        scores=Scores(**scores),
        by_attack={
            name: score
            for name, section in document.attack_success_by.items()
            if (score := _score(section, ("attack_success_by", name), report)) is not None
        },
        added_tokens=None if added is None else Added(median=added.median, p90=added.p90),
        latency_s=None if latency is None else Latency(p50=latency.p50, p90=latency.p90),
        trained=None
        if trained is None
        else Training(method=trained.method, isolation=trained.isolation, report=trained.report),
        format_options=as_json(document.format_options),
    )


def _score(section: ScoreSection | None, loc: Loc, report: Report) -> Score | None:
    if section is None:
        return None
    if not section.low <= section.value <= section.high:
        report.add((*loc, "value"), "`value` must lie in the interval from `low` to `high`; mend one of the three")
    return Score(value=section.value, low=section.low, high=section.high, n=section.n)


def _expect_ordered(report: Report, loc: Loc, lower: str, found: tuple[float, float] | None) -> None:
    if found is not None and found[0] > found[1]:
        report.add(loc, f"`{loc[-1]}` must not be below `{lower}`; mend one of the two")


def _lines(card: Card) -> Iterator[str]:
    yield f"card: {VERSION}"
    for name in ("provider", "model", "format"):
        yield f"{name}: {_word(getattr(card, name))}"
    if card.format_options is not None:
        yield f"format_options: {json.dumps(card.format_options)}"
    for name in ("weights", "suite", "dataset", "date", "version", "revision"):
        yield f"{name}: {_word(getattr(card, name))}"
    yield f"command: {_word(card.command)}"
    yield "scores:"
    yield from (f"  {name}: {_told(getattr(card.scores, name))}" for name in _SCORES)
    yield "attack_success_by:" if card.by_attack else "attack_success_by: {}"
    yield from (f"  {name}: {_told(score)}" for name, score in sorted(card.by_attack.items()))
    added, latency, trained = card.added_tokens, card.latency_s, card.trained
    yield f"added_tokens: {_flow(None if added is None else {'median': added.median, 'p90': added.p90})}"
    yield f"latency_s: {_flow(None if latency is None else {'p50': latency.p50, 'p90': latency.p90})}"
    yield "trained: null" if trained is None else "trained:"
    if trained is not None:
        yield from (f"  {name}: {_word(getattr(trained, name))}" for name in ("method", "isolation", "report"))


def _word(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)


def _told(score: Score | None) -> str:
    return _flow(None if score is None else {"value": score.value, "low": score.low, "high": score.high, "n": score.n})


def _flow(numbers: Mapping[str, float] | None) -> str:
    if numbers is None:
        return "null"
    return "{" + ", ".join(f"{name}: {number!r}" for name, number in numbers.items()) + "}"
