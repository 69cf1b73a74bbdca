from dataclasses import replace

import pytest

from benchmarks.soaking.judging import MEMORY_LIMIT, Rest, growth_of, minutes_of, reasons
from benchmarks.soaking.matching import Matched
from benchmarks.soaking.mix import Ask
from benchmarks.soaking.reading import Got
from benchmarks.soaking.running import Verified
from benchmarks.soaking.sampling import Held, Sample

SOUND = Verified(sound=True, words="WHOLE")
HELD = Held(own=50 * 2**20, rss=0, pss=0, descriptors=30, threads=5)


def samples(*, memory: float = 0.0, descriptors: float = 0.0) -> list[Sample]:
    """A process that grows by so many bytes and descriptors an hour, and one that comes later."""
    found: list[Sample] = []
    for at in range(0, 1200, 5):
        held = replace(HELD, own=HELD.own + int(memory * at / 3600), descriptors=30 + int(descriptors * at / 3600))
        processes = {"worker": held, **({"late": HELD} if at > 600 else {})}
        found.append(Sample(at_s=at, processes=processes, connections={}))
    return found


def judged(sampled: list[Sample], *, left: int = 30, in_flight: float = 0, verified: Verified = SOUND) -> list[str]:
    def rest(descriptors: int) -> Sample:
        return Sample(at_s=0, processes={"worker": replace(HELD, descriptors=descriptors)}, connections={})

    resting = Rest(before=rest(30), after=rest(left), in_flight=in_flight)
    return reasons(growth_of(sampled, 300), resting, Matched(), verified)


def test_what_stays_as_it_is_is_sound_and_a_little_growth_is_within_the_limit() -> None:
    assert judged(samples()) == []
    assert judged(samples(memory=MEMORY_LIMIT * 0.9)) == []


@pytest.mark.rows
@pytest.mark.parametrize(
    ("found", "word"),
    [
        (judged(samples(memory=MEMORY_LIMIT * 1.1)), "MiB an hour"),
        (judged(samples(descriptors=60)), "descriptors an hour"),
        (judged(samples(), left=40), "10 descriptors more at rest"),
        (judged(samples(), in_flight=1), "under way still"),
        (judged(samples(), verified=Verified(sound=False, words="")), "does not verify"),
    ],
)
def test_each_limit_that_is_passed_is_a_reason(found: list[str], word: str) -> None:
    assert len(found) == 1
    assert word in found[0]


def test_growth_in_less_time_than_caches_take_to_fill_is_no_reason() -> None:
    grows = samples(memory=MEMORY_LIMIT * 5)
    assert judged(grows[:80]) == []
    assert len(judged(grows[:90])) == 1


def test_what_does_not_fit_is_a_reason() -> None:
    matched = Matched()
    matched.wrong("UNAUDITED CALLS", "r: 1")
    rest = Rest(before=samples()[0], after=samples()[0], in_flight=0)
    assert reasons(growth_of(samples(), 300), rest, matched, SOUND) == ["1 UNAUDITED CALLS"]


def test_a_process_that_died_is_a_reason() -> None:
    before = samples()[0]
    after = replace(before, processes={})
    assert (
        "not there"
        in reasons(growth_of(samples(), 300), Rest(before=before, after=after, in_flight=0), Matched(), SOUND)[0]
    )


def test_minutes_tell_of_those_without_a_fault() -> None:
    ask = Ask(number="0" * 16, dialect="chat", play="ok", stream=False, chars=1, tools=False, told=None)
    whole = Got(ask=ask, request="r", status=200, code=None, whole=True, foreign=False, at_s=1, took_ms=5)
    stream = replace(whole, ask=replace(ask, stream=True), took_ms=900, first_ms=7, at_s=59)
    gone = replace(whole, ask=replace(ask, leaves=True), took_ms=400)
    first, second = minutes_of([whole, stream, gone, replace(whole, at_s=61, took_ms=6)])
    assert (first.requests, first.whole_p50, first.first_p99) == (3, 5.0, 7.0)
    assert (second.number, second.whole_p99, second.first_p50) == (1, 6.0, None)
