import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import Literal

import pytest

from gateway.detectors.scanner import Detectors
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, Stage, Subject


@dataclass
class Word:
    """Finds its word; remembers how often it was called."""

    word: str
    patterns: tuple[str, ...] = ()
    name: str = "word"
    facts: tuple[Fact, ...] = ()
    calls: list[str] = field(default_factory=list[str])

    def detect(self, text: Text, subject: Subject) -> Detection:
        self.calls.append(subject.where)
        return Detection(facts={f"det.{self.name}.found": True}) if self.word in text.matching else QUIET


@dataclass
class Answers:
    """Gives back what it is told to, or raises it."""

    answer: Detection | Exception
    name: str = "answers"
    facts: tuple[Fact, ...] = ()
    patterns: tuple[str, ...] = ()

    def detect(self, text: Text, subject: Subject) -> Detection:
        del text, subject
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Asked:
    """A slow one."""

    answer: Callable[[Sequence[Subject]], Sequence[Detection]]
    name: str = "asked"
    facts: tuple[Fact, ...] = ()

    async def ask(self, subjects: Sequence[Subject]) -> Sequence[Detection]:
        return self.answer(subjects)


@dataclass
class Holds(Asked):
    """One that holds processes."""

    closed: bool = False

    async def close(self) -> None:
        self.closed = True


FOUND = Detection(facts={"det.asked.found": True})


def _subject(text: str, where: str = "mail-1") -> Subject:
    return Subject(stage=Stage.DATA, where=where, text=text, facts={})


def test_only_wanted_detectors_run() -> None:
    one, two = Word("apple"), Word("apple")
    detectors = Detectors({"one": one, "two": two}, {})
    assert detectors.scan(_subject("an Apple"), frozenset({"two"})).keys() == {"two"}
    assert (one.calls, two.calls) == ([], ["mail-1"])


@dataclass
class Unseen(Word):
    """Finds its word, which no ASCII text holds."""

    passes_ascii: Literal[True] = True


def test_a_detector_that_passes_ascii_is_called_for_other_texts_alone() -> None:
    one, unseen = Word("apple"), Unseen("äpple")
    detectors = Detectors({"one": one, "unseen": unseen}, {})
    wanted = frozenset({"one", "unseen"})
    assert detectors.scan(_subject("an Apple"), wanted).keys() == {"one"}
    assert unseen.calls == []
    detectors.scan(_subject("an Äpple"), wanted)
    assert (len(one.calls), len(unseen.calls)) == (2, 1)


def test_detector_with_patterns_is_called_only_on_a_hit() -> None:
    word, other = Word("apple", patterns=("appl", r"e\b")), Word("pear", patterns=("pear",))
    detectors = Detectors({"word": word, "other": other}, {})
    wanted = frozenset({"word", "other"})
    assert detectors.scan(_subject("nothing but fig"), wanted) == {}
    assert detectors.scan(_subject("one АPPLE"), wanted) == {"word": Detection(facts={"det.word.found": True})}  # noqa: RUF001
    assert (word.calls, other.calls) == (["mail-1"], [])


def test_detector_without_patterns_is_always_called_and_quiet_ones_are_absent() -> None:
    word = Word("apple")
    assert Detectors({"word": word}, {}).scan(_subject("pear"), frozenset({"word"})) == {}
    assert word.calls == ["mail-1"]


def test_nothing_wanted_sees_nothing() -> None:
    assert Detectors({}, {}).scan(_subject("apple"), frozenset()) == {}


def test_instance_that_was_never_built_is_an_error_and_not_quiet() -> None:
    with pytest.raises(KeyError):
        Detectors({}, {}).scan(_subject("apple"), frozenset({"word"}))


def test_detector_that_raises_has_failed_and_is_logged_without_the_text(caplog: pytest.LogCaptureFixture) -> None:
    detectors = Detectors({"answers": Answers(ValueError("the text was apple"))}, {})
    with caplog.at_level(logging.ERROR):
        seen = detectors.scan(_subject("apple"), frozenset({"answers"}))
    assert seen == {"answers": Detection(failed="error")}
    assert "ValueError" in caplog.text
    assert "apple" not in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.rows
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_fact_that_is_no_finite_number_has_failed(value: float) -> None:
    detectors = Detectors({"answers": Answers(Detection(facts={"det.answers.score": value}))}, {})
    assert detectors.scan(_subject("x"), frozenset({"answers"})) == {"answers": Detection(failed="nan")}


def test_failed_detection_is_handed_on_and_finite_facts_pass() -> None:
    failed, fine = Detection(failed="timeout"), Detection(facts={"det.answers.score": 0.5})
    detectors = Detectors({"a": Answers(failed), "b": Answers(fine)}, {})
    assert detectors.scan(_subject("x"), frozenset({"a", "b"})) == {"a": failed, "b": fine}


def test_many_sets_of_wanted_detectors_are_planned_for() -> None:
    words = {f"w{number}": Word("apple") for number in range(300)}
    detectors = Detectors(words, {})
    for key in words:
        assert detectors.scan(_subject("apple"), frozenset({key})).keys() == {key}


async def test_slow_ones_answer_for_each_subject() -> None:
    def answer(subjects: Sequence[Subject]) -> Sequence[Detection]:
        return [FOUND if "apple" in subject.text else QUIET for subject in subjects]

    detectors = Detectors({"word": Word("apple")}, {"asked": Asked(answer), "other": Asked(answer)})
    wanted = frozenset({"asked", "word"})
    assert detectors.asks(wanted)
    assert not detectors.asks(frozenset({"word"}))
    assert await detectors.ask([_subject("apple"), _subject("pear")], wanted) == [{"asked": FOUND}, {}]
    assert detectors.scan(_subject("apple"), wanted).keys() == {"word"}


def _raises(subjects: Sequence[Subject]) -> Sequence[Detection]:
    raise RuntimeError(subjects[0].text)


def _too_few(subjects: Sequence[Subject]) -> Sequence[Detection]:
    return [QUIET for _ in subjects[1:]]


@pytest.mark.parametrize("answer", [_raises, _too_few])
async def test_slow_one_that_raises_or_answers_short_has_failed_for_all(
    answer: Callable[[Sequence[Subject]], Sequence[Detection]], caplog: pytest.LogCaptureFixture
) -> None:
    failed = {"asked": Detection(failed="error")}
    detectors = Detectors({}, {"asked": Asked(answer)})
    assert await detectors.ask([_subject("apple"), _subject("pear")], frozenset({"asked"})) == [failed, failed]
    assert "apple" not in caplog.text


async def test_slow_one_whose_number_is_not_finite_has_failed() -> None:
    def answer(subjects: Sequence[Subject]) -> Sequence[Detection]:
        return [Detection(facts={"det.asked.score": nan}) for _ in subjects]

    detectors = Detectors({}, {"asked": Asked(answer)})
    assert await detectors.ask([_subject("x")], frozenset({"asked"})) == [{"asked": Detection(failed="nan")}]


async def test_nobody_to_ask_answers_nothing_for_each() -> None:
    assert await Detectors({}, {}).ask([_subject("x"), _subject("y")], frozenset()) == [{}, {}]


async def test_closing_ends_those_that_hold_something() -> None:
    holds = Holds(_too_few)
    await Detectors({"word": Word("apple")}, {"asked": Asked(_too_few), "holds": holds}).close()
    assert holds.closed
