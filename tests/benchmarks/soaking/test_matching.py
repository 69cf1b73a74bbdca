from dataclasses import replace

import pytest

from benchmarks.soaking.matching import Call, Recorded, calls_in, match, tally
from benchmarks.soaking.mix import Ask
from benchmarks.soaking.reading import Got

ASK = Ask(number="0" * 16, dialect="chat", play="ok", stream=False, chars=1, tools=False, told=None)
GOT = Got(ask=ASK, request="r", status=200, code=None, whole=True, foreign=False, at_s=0, took_ms=1)
TRACE = "0" * 32
RECORDED = Recorded(trace=TRACE, intents=1, outcomes=[(200, None)])
CALL = Call(number="0" * 16, times=1)


def test_three_sides_that_fit_show_no_problem() -> None:
    matched = match([GOT], {"r": CALL}, {"r": RECORDED})
    assert not matched.problems
    assert (matched.requests, matched.outcomes, matched.calls, matched.intents) == (1, 1, 1, 1)


def test_more_attempts_than_calls_are_no_problem() -> None:
    assert not match([GOT], {"r": CALL}, {"r": replace(RECORDED, intents=3, outcomes=[(200, None)])}).problems


@pytest.mark.rows
@pytest.mark.parametrize(
    ("calls", "recorded", "problem"),
    [
        ({"r": replace(CALL, times=2)}, {"r": RECORDED}, "UNAUDITED CALLS"),
        ({"r": CALL, "s": CALL}, {"r": RECORDED}, "UNAUDITED CALLS"),
        ({}, {"r": replace(RECORDED, outcomes=[])}, "requests without exactly one outcome"),
        ({}, {"r": replace(RECORDED, outcomes=[(200, None)] * 2)}, "requests without exactly one outcome"),
        ({}, {}, "requests without a record"),
        ({}, {"r": replace(RECORDED, outcomes=[(502, "upstream_failed")])}, "outcomes that say something else"),
        ({}, {"r": RECORDED, "s": replace(RECORDED, trace="1" * 32)}, "records of requests that nobody sent"),
    ],
)
def test_each_side_that_does_not_fit_is_a_problem(
    calls: dict[str, Call], recorded: dict[str, Recorded], problem: str
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


LEFT = replace(GOT, ask=replace(ASK, leaves=True))


def test_who_leaves_before_the_head_is_known_by_the_trace() -> None:
    left = replace(LEFT, request="")
    gone = replace(RECORDED, outcomes=[(499, "client_gone")])
    assert not match([left], {"r": CALL}, {"r": gone}).problems
    assert "requests without a record" in match([left], {"r": CALL}, {}).problems
    # Nobody had read it yet.
    assert not match([left], {}, {}).problems


def test_who_leaves_may_be_gone_before_or_after_the_end() -> None:
    for outcome in ((200, None), (499, "client_gone")):
        assert not match([LEFT], {}, {"r": replace(RECORDED, outcomes=[outcome])}).problems
    assert match([LEFT], {}, {"r": replace(RECORDED, outcomes=[(502, "upstream_failed")])}).problems


def test_of_many_alike_some_are_told_and_all_are_counted() -> None:
    matched = match([GOT] * 50, {}, {})
    assert matched.problems["requests without a record"] == 50
    assert len(matched.examples["requests without a record"]) == 5


def test_records_are_told_by_request() -> None:
    found = tally(
        [
            {"phase": "config", "what": "started"},
            {"phase": "intent", "request": "r", "trace": "t"},
            {"phase": "intent", "request": "r"},
            {"phase": "outcome", "request": "r", "status": 502, "error": "upstream_failed"},
            {"phase": "decision", "request": "s"},
            {"phase": "outcome", "request": "s", "status": 200},
        ]
    )
    assert found == {
        "r": Recorded(trace="t", intents=2, outcomes=[(502, "upstream_failed")]),
        "s": Recorded(outcomes=[(200, None)]),
    }


def test_calls_are_counted_by_request_and_those_who_left_are_none() -> None:
    found = calls_in(["call\tr\t0\tok\n", "left\tr\t0\tok\n", "call\tr\t0\tok\n", "call\ts\t1\tok\n"])
    assert found == {"r": Call(number="0", times=2), "s": Call(number="1", times=1)}
