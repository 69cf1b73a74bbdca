from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.isolation import Isolation
from gateway.evaluation.choose import Choice, choose
from gateway.evaluation.intervals import share
from gateway.evaluation.outcome import Measured


def reasons(choice: Choice) -> dict[str, str]:
    return {one.format: one.reason for one in choice.rejected}


def test_the_least_attacked_format_is_chosen_and_the_others_are_told_why(measured_of: Callable[..., Measured]) -> None:
    choice = choose(
        [measured_of("plain", 60, 90), measured_of("secalign", 2, 90), measured_of("spotlight", 30, 95)], 0.8
    )
    assert choice.format == "secalign"
    assert choice.reason == "attack success 2.0% (0.6 to 7.0), utility 90.0% (82.6 to 94.5), isolation wrapped"
    assert (
        reasons(choice)["plain"]
        == "attack success 60.0% (50.2 to 69.1) may be higher than that of secalign, 2.0% (0.6 to 7.0)"
    )
    assert set(reasons(choice)) == {"plain", "spotlight"}


def test_a_format_under_the_floor_is_not_chosen_however_safe(measured_of: Callable[..., Measured]) -> None:
    choice = choose([measured_of("secalign", 0, 79), measured_of("plain", 60, 80)], 0.8)
    assert choice.format == "plain"
    assert reasons(choice)["secalign"] == "utility 79.0% (70.0 to 85.8) is under the floor of 80.0%"


def test_a_format_that_the_models_floor_of_isolation_refuses_is_not_chosen_however_able(
    measured_of: Callable[..., Measured],
) -> None:
    plain = measured_of("plain", 2, 99, isolation=Isolation.NONE)
    assert choose([plain, measured_of("spotlight", 2, 80)], 0.5).format == "plain"
    choice = choose([plain, measured_of("spotlight", 2, 80)], 0.5, Isolation.WRAPPED)
    assert choice.format == "spotlight"
    assert reasons(choice)["plain"] == "isolation none is under the model's floor, wrapped: its data would be refused"


def test_a_figure_beside_the_interval_of_the_safest_is_told_apart_though_the_intervals_meet(
    measured_of: Callable[..., Measured],
) -> None:
    assert choose([measured_of("secalign", 2, 60), measured_of("spotlight", 8, 90)], 0.5).format == "secalign"


def test_a_format_of_few_cases_is_not_taken_for_safe(
    measured_of: Callable[..., Measured],
) -> None:
    few = measured_of("few", 0, 95)
    scores = replace(few.outcome.scores, attack_success=share(0, 5))
    choice = choose([replace(few, outcome=replace(few.outcome, scores=scores)), measured_of("secalign", 8, 60)], 0.5)
    assert choice.format == "secalign"
    assert reasons(choice)["few"].startswith("attack success 0.0% (0.0 to 43.4) may be higher than that of secalign")


def test_where_attack_success_lies_in_the_interval_of_the_safest_utility_decides(
    measured_of: Callable[..., Measured],
) -> None:
    choice = choose([measured_of("secalign", 2, 60), measured_of("spotlight", 5, 90)], 0.5)
    assert choice.format == "spotlight"
    assert reasons(choice)["secalign"].startswith("as safe within the intervals, but utility 60.0%")


def test_where_utility_is_not_told_apart_either_isolation_decides(measured_of: Callable[..., Measured]) -> None:
    native = measured_of("secalign", 5, 88, isolation=Isolation.NATIVE, added=90)
    choice = choose([measured_of("spotlight", 2, 90, added=1), native], 0.5)
    assert choice.format == "secalign"
    assert reasons(choice)["spotlight"].endswith("isolation wrapped is under native of secalign")


@pytest.mark.parametrize(("first", "second", "chosen"), [(9, 5, "b"), (5, 9, "a"), (None, 9, "b"), (9, None, "a")])
def test_then_the_tokens_that_are_added_decide(
    measured_of: Callable[..., Measured], first: float | None, second: float | None, chosen: str
) -> None:
    choice = choose([measured_of("a", 2, 90, added=first), measured_of("b", 2, 90, added=second)], 0.5)
    assert choice.format == chosen
    (rejected,) = choice.rejected
    assert rejected.reason.endswith(f"{chosen} adds fewer tokens")


def test_of_formats_that_are_all_alike_the_abler_is_chosen(measured_of: Callable[..., Measured]) -> None:
    choice = choose([measured_of("a", 2, 90), measured_of("b", 2, 91), measured_of("c", 2, 91)], 0.5)
    assert choice.format == "b"
    assert all(reason.endswith("b has a utility at least as high") for reason in reasons(choice).values())


def test_formats_without_both_scores_are_not_compared(measured_of: Callable[..., Measured]) -> None:
    choice = choose([measured_of("a", None, 90), measured_of("b", 2, None), measured_of("c", 50, 90)], 0.5)
    assert choice.format == "c"
    assert reasons(choice) == {
        "a": "attack success was not measured: use a data set with attacked cases",
        "b": "utility was not measured: use a data set with clean cases",
    }


def test_where_no_format_will_do_it_says_what_to_do(measured_of: Callable[..., Measured]) -> None:
    choice = choose([measured_of("a", 2, 40)], 0.5)
    assert choice.format is None
    assert choice.reason.endswith("lower the floor, or measure others")
    assert set(reasons(choice)) == {"a"}


def test_a_choice_is_of_one_measurement_a_format(measured_of: Callable[..., Measured]) -> None:
    with pytest.raises(ValueError, match="there must be one at least"):
        choose([], 0.5)
    with pytest.raises(ValueError, match="one measurement each"):
        choose([measured_of("a", 2, 90), measured_of("a", 3, 90)], 0.5)
