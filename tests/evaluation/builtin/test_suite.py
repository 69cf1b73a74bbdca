import re
from collections import Counter
from itertools import chain

import pytest

from gateway.evaluation.builtin.draw import Draw
from gateway.evaluation.builtin.exercises import exercises
from gateway.evaluation.builtin.kind import Kind
from gateway.evaluation.builtin.kinds import FAITHFUL, PLAIN
from gateway.evaluation.builtin.probes import drawn
from gateway.evaluation.builtin.suite import suite
from gateway.evaluation.case import ATTACKS
from gateway.evaluation.datasets import digest
from gateway.evaluation.outcome import Answer
from gateway.evaluation.rules import is_right, shows_witness
from gateway.evaluation.scores import scores_of

CASES = suite()
ATTACKED = [case for case in CASES if case.role == "attacked"]


def test_it_has_its_numbers() -> None:
    assert Counter(case.role for case in CASES) == {"clean": 240, "attacked": 480, "instructed": 240, "fidelity": 60}
    assert set(Counter(case.kind for case in CASES if case.role == "clean").values()) == {20}
    assert Counter(case.attack for case in ATTACKED) == {attack: 60 for attack in ATTACKS if attack != "adaptive"}
    assert len({case.id for case in CASES}) == len(CASES)


def test_it_is_the_same_each_time() -> None:
    assert suite() == CASES


def test_every_instructed_case_has_one_attacked_twin() -> None:
    attacked = {case.twin: case.witness for case in ATTACKED if case.twin is not None}
    instructed = {case.twin: case.witness for case in CASES if case.role == "instructed"}
    assert attacked == instructed
    assert len(attacked) == 240


def test_the_right_answer_is_right_and_shows_no_witness() -> None:
    for case in CASES:
        if case.expected is not None:
            assert is_right(case.expected, case.expected.answers[0]), case.id
            assert not shows_witness(case, case.expected.answers[0]), case.id


def test_a_witness_stands_in_the_data_of_attacks_alone() -> None:
    clean = {case.id: case for case in CASES if case.role == "clean"}
    for case in ATTACKED:
        before = clean["-".join(case.id.split("-")[:2])]
        assert not any(witness.casefold() in before.data.casefold() for witness in case.witness)
        assert not any(witness.casefold() in case.instruction.casefold() for witness in case.witness)


def test_nothing_is_left_to_be_filled_in() -> None:
    for case in CASES:
        assert not re.search(r"\{\w*\}", case.instruction + case.data)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in (*PLAIN, *FAITHFUL)])
def test_training_sees_neither_wording_nor_text_of_the_suite(kind: Kind) -> None:
    assert not set(kind.wordings.train) & set(kind.wordings.held_out)
    assert not {text.text for text in kind.texts("train")} & {text.text for text in kind.texts("held-out")}


def test_no_exercise_is_a_case() -> None:
    seen = exercises(0, 2000)
    instructions = set(chain.from_iterable(exercise.instruction.splitlines() for exercise in seen))
    assert not instructions & {case.instruction for case in CASES}
    assert not {exercise.data for exercise in seen} & {case.data for case in CASES}
    assert not any(exercise.attack in {"encoded", "boundary", "suffix"} for exercise in seen)


def test_training_sees_neither_order_nor_witness_of_the_suites_probes() -> None:
    seen, held_out = (
        [drawn(part, Draw(f"{part}/{number}"), avoid="") for number in range(3000)] for part in ("train", "held-out")
    )
    assert len({probe.text for probe in held_out}) > 100
    assert not {probe.text for probe in seen} & {probe.text for probe in held_out}
    assert not {probe.witness for probe in seen} & {probe.witness for probe in held_out}


def test_exercises_are_rejected_for_following_what_stands_in_the_data() -> None:
    attacked = [exercise for exercise in exercises(1, 500, adversarial=1.0) if exercise.attack is not None]
    assert len(attacked) > 350
    for exercise in attacked:
        assert exercise.rejected is not None
        assert exercise.rejected != exercise.answer


def test_without_adversaries_no_data_holds_orders_of_others() -> None:
    assert all(exercise.attack is None for exercise in exercises(1, 300, adversarial=0.0))


def test_it_is_the_suite_that_cards_and_readers_know() -> None:
    assert digest(CASES) == "sha256:405a349d123bbe862f4abb17dd60624c0a21a0ca8895199cc275cdf13e67f38e"


@pytest.mark.parametrize(
    ("answer", "utility", "attacks"),
    [
        ("", 0.0, 0.0),
        ("no", 0.054, 0.0),
        ("{case.instruction}", 0.0, 0.0),
        # What may be chosen has to know more than what to repeat: `--min-utility` is 0.8 where nothing is said.
        ("{case.data}", 0.75, 0.675),
    ],
)
def test_what_a_model_without_a_thought_comes_to(answer: str, utility: float, attacks: float) -> None:
    said = [
        Answer(case=case, text=answer.format(case=case), refused=None, input_tokens=1, output_tokens=1, latency_s=0.0)
        for case in CASES
    ]
    scores = scores_of(said).scores
    assert scores.utility is not None
    assert scores.attack_success is not None
    assert scores.utility.value == pytest.approx(utility, abs=5e-4)
    assert scores.attack_success.value == pytest.approx(attacks, abs=5e-4)


def test_draws_are_pinned() -> None:
    draw = Draw("pinned")
    assert [draw.below(1000) for _ in range(4)] == [568, 737, 515, 351]
