"""Whatever is written of a model can be read again, and what is wrong with a card is told of its own lines."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.cards import load_card, parse_card, read_card, written
from gateway.domain.card import Added, Card, Latency, Score, Scores, Training
from gateway.domain.errors import ConfigError
from gateway.yamlfile.problems import InvalidConfiguration
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import read_source

_SHARES = st.lists(st.floats(min_value=0, max_value=1), min_size=3, max_size=3).map(sorted)
_NUMBERS = st.floats(min_value=0, max_value=1e9)
_DIGESTS = st.sampled_from(["sha256:" + "0" * 64, "sha256:" + "9e" * 32])
_WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


def _score(ends: Sequence[float]) -> Score:
    low, value, high = ends
    return Score(low=low, value=value, high=high, n=240)


_SCORES = _SHARES.map(_score)
_PAIRS = st.lists(_NUMBERS, min_size=2, max_size=2).map(sorted)
_CARDS = st.builds(
    Card,
    provider=_WORDS,
    model=_WORDS,
    format=_WORDS,
    weights=st.none() | _DIGESTS,
    suite=_WORDS,
    dataset=_DIGESTS,
    date=st.dates().map(lambda day: f"{day:%Y}".zfill(4) + f"-{day:%m-%d}"),
    version=_WORDS,
    revision=st.none() | _WORDS,
    command=_WORDS | st.sampled_from(["splitgate evaluate 'Zürich 雨 😀'"]),
    scores=st.builds(Scores, separation=st.none() | _SCORES, attack_success=st.none() | _SCORES, utility=_SCORES),
    by_attack=st.dictionaries(st.sampled_from(["naive", "ignore", "multi_turn", "null"]), _SCORES),
    added_tokens=st.none() | _PAIRS.map(lambda pair: Added(median=pair[0], p90=pair[1])),
    latency_s=st.none() | _PAIRS.map(lambda pair: Latency(p50=pair[0], p90=pair[1])),
    trained=st.none() | st.builds(Training, method=st.just("struq"), isolation=st.just("native"), report=_WORDS),
)


@given(_CARDS)
def test_whatever_is_written_reads_as_it_was(card: Card) -> None:
    assert parse_card("card.yaml", written(card).encode()) == card


def test_the_same_card_is_the_same_text_in_a_fixed_order(card: Card) -> None:
    again = replace(card, by_attack=dict(sorted(card.by_attack.items())))
    assert written(card) == written(again)
    assert [line.partition(":")[0] for line in written(card).splitlines()] == [
        *("card", "provider", "model", "format", "weights", "suite", "dataset", "date", "version", "revision"),
        *("command", "scores", "  separation", "  attack_success", "  utility", "  utility_under_attack"),
        *("  fidelity", "  refusals", "attack_success_by", "  ignore", "  naive", "added_tokens", "latency_s"),
        *("trained", "  method", "  isolation", "  report"),
    ]


def test_a_card_that_could_not_be_read_again_is_not_written(card: Card) -> None:
    with pytest.raises(ConfigError, match=r"`command` must be text on one line"):
        written(replace(card, command="two\nlines"))
    assert written(replace(card, command="one line"))


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("card: 1", "card: 2", 1, "`card` must be 1"),
        ("suite:", "suit:", 6, "there is no key `suit` here; did you mean `suite`?"),
        ("suite:", "suit:", 1, "the key `suite` is missing here; add it"),
        ("suite:", "date: 2026-11-30\nsuite:", 9, "the key `date` stands twice in this mapping; keep one"),
        ("0.96, low: 0.93", "0.9, low: 0.93", 13, "`value` must lie in the interval from `low` to `high`"),
        ("high: 0.98", "high: 1.1", 13, "`scores.separation.high` must be at most 1"),
        ("2026-11-30", "2026-13-30", 8, "`date` must be a day, such as 2026-11-30"),
        ("median: 40", "median: 60", 22, "`p90` must not be below `median`; mend one of the two"),
        ("p50: 0.5", "p50: 0.9", 23, "`p90` must not be below `p50`; mend one of the two"),
        ("  naive:", "  Naive:", 21, "must be a kind of attack: small letters, digits and _, a letter first"),
        ("sha256:0", "sha256:g", 5, "`weights` must be `sha256:` and 64 hexadecimal digits in small letters"),
    ],
)
def test_what_is_wrong_is_told_of_its_line(card: Card, before: str, after: str, line: int, message: str) -> None:
    text = written(card)
    assert before in text
    with pytest.raises(InvalidConfiguration) as caught:
        parse_card("card.yaml", text.replace(before, after, 1).encode())
    told = next(problem for problem in caught.value.problems if message in problem.message)
    assert (told.file, told.line) == ("card.yaml", line)


def test_a_file_is_read(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(written(card), encoding="utf-8")
    report = Report(source=read_source("splitgate.yaml", b"card: card.yaml\n"))
    assert load_card(path) == card == read_card(path, ("card",), report)
    assert not report.count


def test_a_file_that_is_not_there_is_told_of_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    report = Report(source=read_source("splitgate.yaml", b"\ncard: card.yaml\n"))
    assert read_card(path, ("card",), report) is None
    (problem,) = report.problems
    assert (problem.file, problem.line) == ("splitgate.yaml", 2)
    assert problem.message.endswith("cannot be read (No such file or directory); `splitgate evaluate` makes one")
    with pytest.raises(InvalidConfiguration, match="`splitgate evaluate` makes one"):
        load_card(path)


def test_a_card_that_is_wrong_is_told_of_its_own_lines(card: Card, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(written(card).replace("card: 1", "card: 2"), encoding="utf-8")
    report = Report(source=read_source("splitgate.yaml", b"card: card.yaml\n"))
    assert read_card(path, ("card",), report) is None
    # Of one that several targets name, it is told once.
    assert read_card(path, ("card",), report) is None
    assert [(problem.file, problem.line) for problem in report.problems] == [(str(path), 1)]
