from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.card import Latency
from gateway.evaluation.choose import choose
from gateway.evaluation.datasets import DataSet
from gateway.evaluation.intervals import share
from gateway.evaluation.outcome import Measured
from gateway.evaluation.readers.record import LeftOut
from gateway.evaluation.refusing import PHRASES
from gateway.evaluation.report import Circumstances, report

HOW = Circumstances(command="splitgate evaluate --model local", date="2026-11-30", version="0.1.0", revision="abc123")


def cells(page: str, title: str) -> list[list[str]]:
    """The table under a title, without its rule."""
    _, _, after = page.partition(f"## {title}\n\n")
    lines = after.split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_a_page_says_what_was_measured_and_with_what(measured_of: Callable[..., Measured], data_set: DataSet) -> None:
    page = report(data_set, [measured_of("plain", 60, 90)], HOW)
    assert page.startswith("# How well `local` keeps data from being followed\n")
    assert f"- data set: ours.jsonl, 2 cases, `{data_set.digest}`\n- date: 2026-11-30\n" in page
    assert "- code: 0.1.0, revision `abc123`\n" in page
    assert "```sh\nsplitgate evaluate --model local\n```" in page
    assert "revision" not in report(data_set, [measured_of("plain", 60, 90)], replace(HOW, revision=None))


def test_every_format_has_its_scores_with_their_intervals(
    measured_of: Callable[..., Measured], data_set: DataSet
) -> None:
    page = report(data_set, [measured_of("plain", 60, 90), measured_of("secalign", 2, None)], HOW)
    assert cells(page, "Scores") == [
        ["model", "format", "attack success", "utility"],
        ["local", "plain", "60.0% (50.2 to 69.1)", "90.0% (82.6 to 94.5)"],
        ["local", "secalign", "2.0% (0.6 to 7.0)", "\u2013"],
    ]


def test_what_it_costs_is_told_where_it_is_known(measured_of: Callable[..., Measured], data_set: DataSet) -> None:
    plain, split = measured_of("plain", 60, 90), measured_of("secalign", 2, 90, added=17)
    timed = replace(plain, outcome=replace(plain.outcome, latency_s=Latency(p50=0.414, p90=1.5)))
    assert cells(report(data_set, [timed, split], HOW), "What it costs") == [
        ["model", "format", "isolation", "cases", "added tokens, median", "p90", "latency, median", "p90"],
        ["local", "plain", "wrapped", "200", "\u2013", "\u2013", "0.41 s", "1.50 s"],
        ["local", "secalign", "wrapped", "200", "17", "17", "\u2013", "\u2013"],
    ]
    assert cells(report(data_set, [plain], HOW), "What it costs")[0] == ["model", "format", "isolation", "cases"]


def test_attack_success_is_told_by_kind_with_how_many_cases(
    measured_of: Callable[..., Measured], data_set: DataSet
) -> None:
    naive, suffix = share(1, 10), share(2, 20)
    plain = measured_of("plain", 60, 90, by_attack={"naive": naive})
    page = report(data_set, [plain, measured_of("secalign", 2, 90, by_attack={"naive": naive, "suffix": suffix})], HOW)
    table = cells(page, "Attack success by kind of attack")
    assert table[0] == ["model", "format", "naive (n = 10)", "suffix (n = 20)"]
    assert table[1] == ["local", "plain", "10.0% (1.8 to 40.4)", "\u2013"]
    assert "by where the probe stands" not in page


def test_what_was_left_out_and_how_it_was_judged_is_told(
    measured_of: Callable[..., Measured], data_set: DataSet
) -> None:
    data = replace(data_set, judged="By a text.", left_out=(LeftOut(what="attacks", count=1_065),))
    page = report(data, [measured_of("plain", 60, 90)], replace(HOW, notes=("3 cases were not answered.",)))
    assert page.endswith("- By a text.\n- Left out: 1,065 attacks.\n- 3 cases were not answered.\n")


def test_what_counts_as_a_refusal_is_stated(measured_of: Callable[..., Measured], data_set: DataSet) -> None:
    page = report(data_set, [measured_of("plain", 60, 90)], HOW)
    assert all(phrase in page for phrase in PHRASES)


def test_the_choice_and_the_pictures_are_shown(measured_of: Callable[..., Measured], data_set: DataSet) -> None:
    measured = [measured_of("plain", 60, 90), measured_of("secalign", 2, 90)]
    page = report(data_set, measured, HOW, choice=choose(measured, 0.5), plots=("local.png",))
    assert "![Attack success against utility, by format](local.png)" in page
    assert "## The format to choose\n\n**secalign**: attack success 2.0%" in page
    assert "\n- plain: attack success 60.0%" in page
    none = report(data_set, measured, HOW, choice=choose(measured, 0.99))
    assert "## The format to choose\n\nNone: no format has both scores" in none


def test_a_name_cannot_break_out_of_its_cell(measured_of: Callable[..., Measured], data_set: DataSet) -> None:
    page = report(data_set, [measured_of("a|b\nc", 60, 90)], HOW)
    assert "| local | a\\|b c |" in page


def test_nothing_that_is_named_in_it_is_read_as_markdown_or_html(
    measured_of: Callable[..., Measured], data_set: DataSet
) -> None:
    hostile = "<img src=x onerror=alert(1)> [here](javascript:x) \\| `"
    told = replace(HOW, command="splitgate '\n```\n<b>'", notes=(hostile,))
    page = report(replace(data_set, name=hostile), [measured_of(f"m\n# `{hostile}", 60, 90)], told)
    within = "\n````sh\nsplitgate '\n```\n<b>'\n````\n"
    assert within in page
    head, rest = page.replace(within, "").split("\n", 1)
    assert (head.count("`"), head.count("\n")) == (2, 0)
    assert "<img" not in rest
    assert "[here]" not in rest
    assert "\\\\\\| \\`" in rest


def test_a_report_of_nothing_is_refused(data_set: DataSet) -> None:
    with pytest.raises(ValueError, match="one measurement at least"):
        report(data_set, [], HOW)
