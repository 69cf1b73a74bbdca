"""A card counts at the target that it is of, and at no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.embedded.models import MEASURED_WITH, PLAIN, SPLIT, digest_told
from gateway.configuration.cards import written
from gateway.configuration.schema import TargetSection
from gateway.configuration.secrets import Surroundings
from gateway.configuration.target_cards import build_card
from gateway.domain.card import Card, Training
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.settings import Settings, load
from gateway.yamlfile.problems import Problem
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import read_source

ProblemsOf = Callable[..., tuple[Problem, ...]]
TargetOf = Callable[..., Settings]

SECALIGN = "format: secalign\ncard: card.yaml\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Card], None]:
    """Puts a card beside the configuration file."""

    def put(card: Card) -> None:
        (tmp_path / "card.yaml").write_text(written(card), encoding="utf-8")

    return put


def test_a_card_that_shows_it_earns_native_beside_the_probe(
    write: Callable[[Card], None], target_of: TargetOf, card: Card
) -> None:
    write(card)
    (target,) = target_of(SECALIGN).models["m"].targets
    assert target.card == card
    assert (target.ceiling, target.needs_probe, target.assumed) == (Isolation.NATIVE, True, False)


@pytest.mark.parametrize(
    ("trained", "more"),
    [
        (None, ""),
        (Training(method="struq", isolation="wrapped", report="r"), ""),
        (Training(method="struq", isolation="native", report="r"), "trained: false\n"),
    ],
)
def test_a_card_that_does_not_show_it_earns_nothing(
    write: Callable[[Card], None], target_of: TargetOf, card: Card, trained: Training | None, more: str
) -> None:
    write(replace(card, trained=trained))
    (target,) = target_of(SECALIGN + more).models["m"].targets
    assert target.card is not None
    assert (target.ceiling, target.needs_probe) == (Isolation.WRAPPED, False)


def test_a_word_that_stands_in_for_the_probe_is_shown_whatever_a_card_says(
    write: Callable[[Card], None], target_of: TargetOf, card: Card
) -> None:
    write(card)
    (target,) = target_of(SECALIGN + "render_probe: off\n").models["m"].targets
    assert (target.ceiling, target.needs_probe, target.assumed) == (Isolation.NATIVE, False, True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "other"}, "the card is of the model `other`, and the target's is `m`; name the card of this target"),
        ({"format": "struq"}, "the card is of the format `struq`, and the target's is `secalign`"),
        ({"provider": "azure"}, "the card is of the provider `azure`, and the target's is `openai_compatible`"),
    ],
)
def test_a_card_of_another_target_is_a_mistake_on_its_line(
    write: Callable[[Card], None], problems_of: ProblemsOf, card: Card, changed: dict[str, str], message: str
) -> None:
    write(replace(card, **changed))
    text = """models:
  m:
    targets:
      - provider: openai_compatible
        base_url: "https://h.example/v1"
        model: m
        format: secalign
        card: card.yaml
"""
    (problem,) = problems_of(text)
    assert message in problem.message
    assert (problem.line, problem.column) == (8, 15)


@pytest.mark.parametrize(
    ("measured", "here", "counts"),
    [
        (None, "", True),
        (None, "format_options: {mode: delimit}", False),
        ({"mode": "delimit"}, "format_options: {mode: delimit}", True),
        ({"mode": "delimit"}, "", False),
        ({"mode": "delimit", "repeat_instruction": False}, "format_options: {mode: delimit}", False),
    ],
)
def test_a_card_counts_with_the_settings_alone_that_were_measured(
    write: Callable[[Card], None],
    problems_of: ProblemsOf,
    settings_of: TargetOf,
    card: Card,
    measured: JsonObject | None,
    here: str,
    *,
    counts: bool,
) -> None:
    write(replace(card, format="spotlight", format_options=measured))
    target = f"provider: openai_compatible, base_url: 'https://h.example/v1', model: m, card: card.yaml, {here}"
    text = f"models: {{m: {{targets: [{{{target}}}]}}}}\n"
    if counts:
        (built,) = settings_of(text).models["m"].targets
        assert built.card is not None
    else:
        (problem,) = problems_of(text)
        assert "the card is of other `format_options` of spotlight than the target's" in problem.message


def test_a_card_that_is_not_there_is_a_mistake(target_problem: Callable[..., str]) -> None:
    assert "cannot be read (No such file or directory)" in target_problem(SECALIGN)


def test_what_is_wrong_inside_a_card_is_told_beside_what_is_wrong_with_the_target(
    write: Callable[[Card], None], problems_of: ProblemsOf, card: Card, tmp_path: Path
) -> None:
    write(card)
    path = tmp_path / "card.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("card: 1", "card: 7"), encoding="utf-8")
    text = "models: {m: {targets: [{provider: openai_compatible, base_url: ftp://h, model: m, card: card.yaml}]}}"
    files = {Path(problem.file).name for problem in problems_of(text)}
    assert files == {"card.yaml", "splitgate.yaml"}


def test_a_card_is_read_where_no_credential_is(write: Callable[[Card], None], card: Card, tmp_path: Path) -> None:
    write(card)
    text = (
        "models: {m: {targets: [{provider: openai_compatible, base_url: 'https://h/v1', model: m, format: secalign, "
        "card: card.yaml, api_key: env:NOT_HERE}]}}"
    )
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    settings = load(tmp_path / "splitgate.yaml", {}, offline=True)
    assert settings.models["m"].targets[0].card == card


@pytest.mark.parametrize(
    ("form", "ceiling", "needs_probe"),
    [
        ("secalign", Isolation.NATIVE, True),
        ("tool-envelope", Isolation.WRAPPED, False),
        ("plain", Isolation.NONE, False),
    ],
)
def test_an_embedded_target_is_native_by_its_card_or_wrapped(
    write: Callable[[Card], None],
    settings_of: TargetOf,
    card: Card,
    form: str,
    ceiling: Isolation,
    needs_probe: bool,
) -> None:
    write(replace(card, provider="embedded", model=PLAIN, format=form))
    settings = settings_of(
        f"models: {{m: {{min_isolation: none, targets: [{{provider: embedded, format: {form}, card: card.yaml}}]}}}}"
    )
    (target,) = settings.models["m"].targets
    assert (target.ceiling, target.needs_probe, target.assumed) == (ceiling, needs_probe, False)


def test_an_embedded_target_finds_its_own_and_may_name_another(card: Card, tmp_path: Path) -> None:
    mine = replace(card, provider="embedded", model="tiny", format="spotlight")
    (tmp_path / "tiny.spotlight.yaml").write_text(written(mine), encoding="utf-8")
    (tmp_path / "other.yaml").write_text(written(replace(mine, suite="other")), encoding="utf-8")

    def built(section: TargetSection) -> Card | None:
        report = Report(source=read_source("splitgate.yaml", b"{}"))
        surroundings = Surroundings(environ={}, folder=tmp_path, offline=False)
        found = build_card(section, "tiny", (), report, surroundings, shipped=tmp_path)
        report.finish()
        return found

    assert built(TargetSection(provider="embedded")) == mine
    assert built(TargetSection(provider="embedded", format="plain")) is None
    assert built(TargetSection(provider="openai_compatible", model="tiny")) is None
    named = built(TargetSection(provider="embedded", card="other.yaml"))
    assert named is not None
    assert named.suite == "other"


def test_the_split_model_is_asked_as_the_one_that_its_card_is_of(settings_of: TargetOf) -> None:
    text = "models: {m: {targets: [{provider: embedded, model: %s, format: %s}]}}"
    (target,) = settings_of(text % (SPLIT, "secalign")).models["m"].targets
    assert target.card is not None
    assert target.headers == {MEASURED_WITH: target.card.weights}
    # Without a card nothing is claimed of it that another adapter would belie.
    (uncarded,) = settings_of(text % (SPLIT, "chat-template-documents")).models["m"].targets
    assert (uncarded.card, uncarded.headers) == (None, {})


@pytest.mark.parametrize("weights", [None, "sha256:" + "0" * 64])
def test_a_card_of_other_weights_is_a_mistake_where_it_is_named(
    write: Callable[[Card], None], problems_of: ProblemsOf, card: Card, weights: str | None
) -> None:
    write(replace(card, provider="embedded", model=SPLIT, format="secalign", weights=weights))
    text = f"models: {{m: {{targets: [{{provider: embedded, model: {SPLIT}, format: secalign, card: card.yaml}}]}}}}"
    (problem,) = problems_of(text)
    assert f"is of the weights `{weights}`, and those here are `{digest_told()}`" in problem.message


def test_one_that_came_with_another_adapter_is_left_aside(card: Card, tmp_path: Path) -> None:
    other = replace(card, provider="embedded", model=SPLIT, format="secalign", weights="sha256:" + "0" * 64)
    file = tmp_path / f"{SPLIT}.secalign.yaml"
    report = Report(source=read_source("splitgate.yaml", b"{}"))
    surroundings = Surroundings(environ={}, folder=tmp_path, offline=False)

    def built(shipped: Card) -> Card | None:
        file.write_text(written(shipped), encoding="utf-8")
        section = TargetSection(provider="embedded", model=SPLIT, format="secalign")
        return build_card(section, SPLIT, (), report, surroundings, shipped=tmp_path)

    own = replace(other, weights=digest_told())
    assert built(own) == own
    assert report.warnings == []
    assert built(other) is None
    assert ["it does not count" in warning for warning in report.warnings] == [True]
    report.finish()
