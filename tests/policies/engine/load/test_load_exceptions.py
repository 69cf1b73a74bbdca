from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gateway.yamlfile.problems import Problem
from policies.engine.model import ExceptionRule, Match, Policy

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]
Line = Callable[..., str]


def test_an_exception_is_read_whole(policy_from: Read, sound: str) -> None:
    assert policy_from(sound).exceptions == (
        ExceptionRule(
            id="e1",
            rules=("mail-pii",),
            reason="The newsletter.",
            approver="cto@acme.example",
            expires=datetime(2026, 4, 1, tzinfo=UTC).timestamp(),
            match=Match(models=("news",)),
        ),
    )


@pytest.mark.rows
@pytest.mark.parametrize("key", ["rules", "reason", "approver", "expires"])
def test_nothing_of_an_exception_can_be_left_out(
    problems_with: Problems, rules: Line, exceptions: Line, key: str
) -> None:
    (problem,) = problems_with(rules({}), exceptions({key: None}))
    assert problem.message == f"the key `{key}` is missing here; add it"
    empty = "[]" if key == "rules" else "''"
    (problem,) = problems_with(rules({}), exceptions({key: empty}))
    assert problem.message.startswith(f"`spec.exceptions[0].{key}`")


def test_an_exception_names_exact_rules(
    problems_with: Problems, policy_with: Read, rules: Line, exceptions: Line
) -> None:
    (problem,) = problems_with(rules({"id": "mail-secret"}), exceptions({"rules": "[mail-secret, mail-secert]"}))
    assert problem.message == "no rule is called `mail-secert`; did you mean `mail-secret`?"
    assert problem.line == 7
    (problem,) = problems_with(exceptions({}))
    assert problem.message == "no rule is called `r`; there is none"
    assert policy_with(rules({}), exceptions({})).exceptions[0].rules == ("r",)


def test_rules_whose_ids_cannot_be_read_are_not_missed(problems_with: Problems, rules: Line, exceptions: Line) -> None:
    (problem,) = problems_with(rules({}, {"id": "3"}), exceptions({"rules": "[x]"}))
    assert problem.message.startswith("`spec.rules[1].id` must be text")
    (problem,) = problems_with("rules: 3", exceptions({"rules": "[x]"}))
    assert problem.message.startswith("`spec.rules` must be a list")


def test_two_exceptions_of_one_id_are_refused(problems_with: Problems, rules: Line, exceptions: Line) -> None:
    (problem,) = problems_with(rules({}), exceptions({}, {}))
    assert problem.message == "the exception id `e` stands twice; each needs its own"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("day", "warned"),
    [
        ("2026-02-01", "the exception `e` has expired"),
        ("2026-02-02", None),
        ("2027-02-02", None),
        ("2027-02-03", "the exception `e` lasts for more than a year"),
        ("9999-12-31", "the exception `e` lasts for more than a year"),
        ("0001-01-01", "the exception `e` has expired"),
    ],
)
def test_an_exceptions_last_day_is_judged(
    policy_with: Read, rules: Line, exceptions: Line, day: str, warned: str | None
) -> None:
    warnings = policy_with(rules({}), exceptions({"expires": day})).warnings
    assert [warned in text for text in warnings if warned] == ([True] if warned else [])
    assert bool(warnings) is bool(warned)


@pytest.mark.rows
@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "0000-01-01"])
def test_a_day_that_there_is_not_is_refused(problems_with: Problems, rules: Line, exceptions: Line, day: str) -> None:
    (problem,) = problems_with(rules({}), exceptions({"expires": day}))
    assert problem.message.startswith("there is no such day")


@pytest.mark.rows
@pytest.mark.parametrize("day", ["soon", "2026-2-3", "31.1.2026", "2026-02-03T00:00:00Z"])
def test_a_day_is_written_in_one_way(problems_with: Problems, rules: Line, exceptions: Line, day: str) -> None:
    (problem,) = problems_with(rules({}), exceptions({"expires": f"'{day}'"}))
    assert problem.message == "`spec.exceptions[0].expires` must be a day, such as 2030-01-31"
