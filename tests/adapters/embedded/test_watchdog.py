import asyncio

import pytest

from adapters.embedded.watchdog import Patience, count_requests, patience_of, watch

HURRIED = Patience(strikes=3, answer_s=0.05, rest_s=0.001, uncounted_s=30)
IDLE = b"# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 0\nllamacpp:requests_deferred 0\n"
BUSY = IDLE.replace(b"processing 0", b"processing 2")


class Engine:
    """Answers with what it is given, in turn, and with the last again and again; None: not at all."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def counters(self) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.Event().wait()
        if answer == b"unreachable":
            raise OSError
        return answer or b""


def test_patience_is_shared_out_over_three_strikes() -> None:
    assert patience_of(30) == Patience(strikes=3, answer_s=10, rest_s=5, uncounted_s=30)


def test_requests_taken_up_and_put_aside_are_counted() -> None:
    assert count_requests(BUSY) == 2
    assert count_requests(BUSY.replace(b"deferred 0", b"deferred 1e+01")) == 12
    assert count_requests(b"") == 0


@pytest.mark.parametrize("answer", [None, b"unreachable"])
async def test_an_engine_that_answers_nothing_is_stuck_after_the_last_strike(answer: bytes | None) -> None:
    engine = Engine(answer)
    await asyncio.wait_for(watch(engine.counters, lambda: 0, HURRIED), 5)
    assert engine.asked == 3


async def test_a_request_that_the_engine_never_takes_up_makes_it_stuck() -> None:
    engine = Engine(IDLE)
    await asyncio.wait_for(watch(engine.counters, lambda: 31, HURRIED), 5)


@pytest.mark.rows
@pytest.mark.parametrize(("counters", "waiting"), [(IDLE, 0), (IDLE, 29), (BUSY, 500)])
async def test_an_engine_that_rests_reads_or_works_is_left_alone(counters: bytes, waiting: float) -> None:
    engine = Engine(counters)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch(engine.counters, lambda: waiting, HURRIED), 0.1)
    assert engine.asked > HURRIED.strikes


async def test_a_sign_of_work_takes_the_strikes_back() -> None:
    engine = Engine(None, None, BUSY, None, None, BUSY)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch(engine.counters, lambda: 0, HURRIED), 1)
    assert engine.asked > 6
