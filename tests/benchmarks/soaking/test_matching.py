from dataclasses import replace

import pytest

from benchmarks.soaking.matching import Recorded, calls_in, match, tally
from benchmarks.soaking.mix import Ask
from benchmarks.soaking.reading import Got

ASK = Ask(number="0" * 16, dialect="chat", play="ok", stream=False, chars=1, tools=False, told=None)
GOT = Got(ask=ASK, request="r", status=200, code=None, whole=True, foreign=False, at_s=0, took_ms=1)
RECORDED = Recorded(intents=1, outcomes=[(200, None)])


def test_three_sides_that_fit_show_no_problem() -> None:
    matched = match([GOT], {"r": 1}, {"r": RECORDED})
    assert not matched.problems
    assert (matched.requests, matched.outcomes, matched.calls, matched.intents) == (1, 1, 1, 1)


def test_more_attempts_than_calls_are_no_problem() -> None:
    assert not match([GOT], {"r": 1}, {"r": Recorded(intents=3, outcomes=[(200, None)])}).problems


@pytest.mark.parametrize(
    ("calls", "recorded", "problem"),
    [
        ({"r": 2}, {"r": RECORDED}, "UNAUDITED CALLS"),
        ({"r": 1, "s": 1}, {"r": RECORDED}, "UNAUDITED CALLS"),
        ({"r": 1}, {"r": Recorded(intents=1)}, "requests without exactly one outcome"),
        ({"r": 1}, {"r": Recorded(intents=1, outcomes=[(200, None)] * 2)}, "requests without exactly one outcome"),
        ({}, {}, "requests without a record"),
        ({}, {"r": Recorded(outcomes=[(502, "upstream_failed")])}, "outcomes that say something else"),
        ({}, {"r": RECORDED, "s": RECORDED}, "requests that nobody sent, or that left no record"),
    ],
)
def test_each_side_that_does_not_fit_is_a_problem(
    calls: dict[str, int], recorded: dict[str, Recorded], problem: str
) -> None:
    matched = match([GOT], calls, recorded)
    assert matched.problems == {problem: 1}
    assert len(matched.examples[problem]) == 1


def test_an_answer_that_holds_anothers_is_a_problem() -> None:
    assert "ANSWERS THAT HOLD ANOTHER'S" in match([replace(GOT, foreign=True)], {}, {"r": RECORDED}).problems


def test_who_is_nobodys_caller_leaves_no_record() -> None:
    nobody = replace(GOT, ask=replace(ASK, nobodys=True, told=None))
    assert not match([nobody], {}, {}).problems
    assert match([nobody], {}, {"r": RECORDED}).problems == {"records of nobody's requests": 1}


def test_who_leaves_before_the_head_is_known_by_the_number_of_records() -> None:
    left = replace(GOT, ask=replace(ASK, leaves=True), request="")
    gone = Recorded(intents=1, outcomes=[(499, "client_gone")])
    assert not match([left], {}, {"s": gone}).problems
    assert match([left], {}, {}).problems == {"requests that nobody sent, or that left no record": 1}


def test_who_leaves_may_be_gone_before_or_after_the_end() -> None:
    leaves = replace(GOT, ask=replace(ASK, leaves=True))
    for status, error in ((200, None), (499, "client_gone")):
        assert not match([leaves], {}, {"r": Recorded(intents=1, outcomes=[(status, error)])}).problems
    assert match([leaves], {}, {"r": Recorded(outcomes=[(502, "upstream_failed")])}).problems


def test_of_many_alike_some_are_told_and_all_are_counted() -> None:
    matched = match([replace(GOT, request=str(n)) for n in range(50)], {}, {})
    assert matched.problems["requests without a record"] == 50
    assert len(matched.examples["requests without a record"]) == 5


def test_records_are_told_by_request() -> None:
    found = tally(
        [
            {"phase": "config", "what": "started"},
            {"phase": "intent", "request": "r"},
            {"phase": "intent", "request": "r"},
            {"phase": "outcome", "request": "r", "status": 502, "error": "upstream_failed"},
            {"phase": "decision", "request": "s"},
            {"phase": "outcome", "request": "s", "status": 200},
        ]
    )
    assert found == {
        "r": Recorded(intents=2, outcomes=[(502, "upstream_failed")]),
        "s": Recorded(outcomes=[(200, None)]),
    }


def test_calls_are_counted_by_request_and_those_who_left_are_none() -> None:
    assert calls_in(["call\tr\t0\tok\n", "left\tr\t0\tok\n", "call\tr\t0\tok\n", "call\ts\t1\tok\n"]) == {
        "r": 2,
        "s": 1,
    }
