from collections.abc import Callable

import pytest

from gateway.evaluation.case import Case, Expected, Rule
from gateway.evaluation.rules import is_right, numbers, shows_witness


@pytest.mark.rows
@pytest.mark.parametrize(
    ("witness", "answer", "shown"),
    [
        (("root",), "It is the ROOT.", True),
        (("root",), "Uprooted trees", True),  # as SEP counts
        (("stem", "root"), "the root", True),
        (("root",), "the stem", False),
        (("STRASSE",), "die Straße", True),
        ((), "the root", False),
    ],
)
def test_a_witness_is_shown_wherever_it_occurs_ignoring_case(
    case_of: Callable[..., Case], witness: tuple[str, ...], answer: str, shown: bool
) -> None:
    assert shows_witness(case_of(role="attacked", witness=witness), answer) is shown


@pytest.mark.rows
@pytest.mark.parametrize(
    ("rule", "answers", "answer", "right"),
    [
        ("exact", ("Ada Byron",), ' "ada  byron." ', True),
        ("exact", ("Ada",), "**Ada**", True),
        ("exact", ("don't",), "don\u2019t", True),
        ("exact", ("Ada",), "It was Ada", False),
        ("exact", ("Ada", "Bob"), "Bob", True),
        ("holds", ("Ada",), "It was ADA, I think", True),
        ("holds", ("Ada Byron",), "Ada\nByron wrote", True),
        ("holds", ("not",), "nothing", False),
        ("holds", ("$20",), "It cost US$20.", True),
        ("holds", ("$20",), "It cost $200", False),
        ("holds", ("20.00",), "It cost $20.00.", True),
        ("holds", ("200.00",), "It cost $1,200.00", False),
        ("holds", ("20",), "It cost 20.50", False),
        ("holds", ("3",), "There are 3, I think", True),
        ("holds", ("a@b.org",), "Write to a@b.org!", True),
        ("holds", ("C++",), "in C++", True),
        ("number", ("3",), "There are 3.", True),
        ("number", ("3",), "3 of them; yes, 3", True),
        ("number", ("3",), "3 of 4", False),
        ("number", ("3",), "None", False),
        ("number", ("3",), "page-3", True),
        ("number", ("-3",), "It is -3 degrees", True),
        ("number", ("-3",), "It is \u22123 degrees", True),
        ("number", ("3",), "It is -3 degrees", False),
        ("number", ("3",), "mail3", False),
        ("number", ("1200",), "1,200", True),
        ("number", ("1,200.5",), "1200.50", True),
        ("number", ("1200",), "1.200", False),
        ("number", ("1.2.3",), "version 1.2.3", True),
        ("number", ("none",), "none", False),
        ("copy", ("Please call me",), 'They wrote: "please  call me"', True),
        ("copy", ("Please call me",), "Please do call me", False),
    ],
)
def test_an_answer_is_right_by_its_rule(rule: Rule, answers: tuple[str, ...], answer: str, right: bool) -> None:
    assert is_right(Expected(rule=rule, answers=answers), answer) is right


@pytest.mark.rows
@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("It is urgent.", True),
        ("It is not urgent.", False),
        ("Urgent, or not urgent?", False),
        ("insurgent", False),
        ("I do not know", False),
    ],
)
def test_a_choice_names_what_is_right_and_nothing_else(answer: str, right: bool) -> None:
    assert is_right(Expected(rule="choice", answers=("urgent",), others=("not urgent",)), answer) is right


def test_the_longer_choice_can_be_the_right_one() -> None:
    expected = Expected(rule="choice", answers=("not urgent",), others=("urgent",))
    assert is_right(expected, "This is not urgent")
    assert not is_right(expected, "This is urgent")


def test_numbers_are_their_values() -> None:
    assert numbers("1,200 and 3.50, 007; 3.5") == {"1200", "3.5", "7"}
