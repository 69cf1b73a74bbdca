"""What a command line asks for: nothing is measured here."""

from collections.abc import Sequence

import pytest

from benchmarks.bench import MEASUREMENTS, arguments


def test_a_whole_run_takes_all_and_may_be_published() -> None:
    given = arguments(["--publish"])
    assert {*given.measurements} == {*MEASUREMENTS}
    assert given.rounds >= 5


@pytest.mark.rows
@pytest.mark.parametrize(
    ("words", "measurements"),
    [
        (["--only", "startup"], {"startup"}),
        (["--only", "burst"], {"turns"}),
        (["--only", "call"], {"turns", "calls"}),
        (["--policies"], {"policies"}),
        (["--contender", "nginx"], {"turns"}),
        (["--bodies", "1k"], {"turns"}),
    ],
)
def test_a_part_can_be_taken_alone(words: Sequence[str], measurements: set[str]) -> None:
    assert {*arguments(words).measurements} == measurements


@pytest.mark.rows
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--publish", "--quick"], "whole run"),
        (["--publish", "--rounds", "1"], "enough rounds"),
        (["--publish", "--only", "startup"], "whole run"),
        (["--publish", "--contender", "nginx"], "whole run"),
        (["--contender", "ngnix"], "ngnix: there is none"),
        (["--only", "nothing"], "no scenario and no measurement"),
        (["--bodies", "1x"], "--bodies"),
    ],
)
def test_what_would_measure_something_else_is_refused(
    words: Sequence[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments(words)
    assert why in capsys.readouterr().err


def test_a_quick_run_is_one_short_round_of_all() -> None:
    given = arguments(["--quick"])
    assert (given.rounds, {*given.measurements}) == (1, {*MEASUREMENTS})
    assert max(scenario.connections for scenario in given.scenarios) == 100
