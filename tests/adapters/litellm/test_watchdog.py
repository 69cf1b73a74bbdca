import asyncio
import threading
import time

from adapters.litellm.watchdog import Patience, patience_of, watch

QUICK = Patience(answer_s=0.05)
PATIENCE_S = 10.0


async def test_a_loop_that_answers_is_left_alone() -> None:
    given_up = threading.Event()
    watch(asyncio.get_running_loop(), QUICK, given_up.set)
    for _ in range(20):
        await asyncio.sleep(0.02)
    assert not given_up.is_set()


async def test_a_loop_that_is_stuck_is_given_up() -> None:
    given_up = threading.Event()
    watch(asyncio.get_running_loop(), QUICK, given_up.set)
    assert given_up.wait(PATIENCE_S)  # which holds the loop


async def test_one_long_pause_is_forgiven() -> None:
    given_up = threading.Event()
    watch(asyncio.get_running_loop(), Patience(answer_s=0.2, strikes=3), given_up.set)
    time.sleep(0.25)  # noqa: ASYNC251 — on purpose
    for _ in range(10):
        await asyncio.sleep(0.05)
    assert not given_up.is_set()


def test_a_closed_loop_is_no_stuck_one() -> None:
    given_up = threading.Event()
    loop = asyncio.new_event_loop()
    loop.close()
    before = threading.active_count()
    watch(loop, QUICK, given_up.set)
    end = time.monotonic() + PATIENCE_S
    while threading.active_count() > before:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not given_up.is_set()


def test_patience_is_given_in_seconds_all_in_all() -> None:
    patience = patience_of(30)
    assert patience.answer_s * patience.strikes == 30
