"""How many requests share few calls: by a server that is played."""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from gateway.domain.quota import Bucket, Measure, Portion, Sliding, Taken
from gateway.stores._lanes import LANES, MOST_TOLD, MOST_WISHES, Lanes
from gateway.stores._owed import Owed
from gateway.stores._redis_failure import GARBLED, NO_ANSWER, Away
from gateway.stores._redis_message import Answer, Change, Message, Wish

BUCKET = Bucket(rule="r", subject="s", measure=Measure.REQUESTS, window=Sliding(seconds=60), limit=1_000_000)
PATIENCE_S = 0.05


def _change(period: int, amount: int = 1) -> Change:
    return Change(bucket=BUCKET, period=period, amount=amount)


def _wish(holder: str = "h") -> Wish:
    return Wish(holder=holder, wanted=(Portion(bucket=BUCKET, amount=1),))


def _yes(count: int) -> object:
    return [[1000, 1, 0, 0, 0]] * count


@dataclass
class Played:
    """Answers each call with what ``answer`` makes of the number of wishes, once ``gate`` is set."""

    answer: Callable[[int], object] = _yes
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failures: list[Away] = field(default_factory=list[Away])
    unheard: list[Answer] = field(default_factory=list[Answer])
    cancelled: int = 0
    owed: Owed = field(default_factory=Owed)

    async def ask(self, message: Message) -> object:
        asked = orjson.loads(message.argument)
        self.calls.append(asked)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer(len(asked["take"]))

    def lanes(self) -> Lanes:
        made = Lanes(
            ask=self.ask,
            message=lambda: Message("p", lease_s=30.0),
            owed=self.owed,
            patience_s=PATIENCE_S,
            lost=self.failures.append,
            unheard=self.unheard.append,
        )
        made.open = True
        return made


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_those_that_come_together_go_together() -> None:
    played = Played()
    played.gate.set()
    lanes = played.lanes()
    answers = await asyncio.gather(*[lanes.wish(_wish(f"h{number}")) for number in range(10)])
    assert [answer.said.holder for answer in answers if isinstance(answer.said, Taken)] == [f"h{n}" for n in range(10)]
    assert [len(call["take"]) for call in played.calls] == [10]


async def test_no_more_calls_are_under_way_than_lanes_and_the_next_takes_along_all_that_waits() -> None:
    played = Played()
    lanes = played.lanes()
    asked: list[asyncio.Task[Answer]] = []
    for number in range(LANES + 3):
        asked.append(asyncio.create_task(lanes.wish(_wish(f"h{number}"))))
        await _turns()
    assert len(played.calls) == LANES
    played.gate.set()
    await asyncio.gather(*asked)
    assert [len(call["take"]) for call in played.calls] == [*[1] * LANES, 3]


async def test_a_call_has_its_bound() -> None:
    played = Played()
    played.gate.set()
    lanes = played.lanes()
    played.owed.change([_change(period) for period in range(MOST_TOLD + 1)])
    await asyncio.gather(*[lanes.wish(_wish(f"h{number}")) for number in range(MOST_WISHES + 1)])
    assert [(len(call["take"]), len(call["add"])) for call in played.calls] == [(MOST_WISHES, MOST_TOLD), (1, 1)]


async def test_a_wish_waits_no_longer_than_it_said_also_where_it_was_not_sent_yet() -> None:
    played = Played()
    lanes = played.lanes()
    asked: list[asyncio.Task[Answer]] = []
    for number in range(LANES + 1):
        asked.append(asyncio.create_task(lanes.wish(_wish(f"h{number}"))))
        await _turns()
    done, _ = await asyncio.wait(asked, timeout=20 * PATIENCE_S)
    assert len(done) == LANES + 1
    told = [one.exception() for one in asked]
    assert [(one.reason, one.sent) for one in told if isinstance(one, Away)] == [(NO_ANSWER, True)] * (LANES + 1)
    await _turns()
    assert played.cancelled == len(played.calls)


@pytest.mark.rows
@pytest.mark.parametrize(
    "said",
    [
        *("PONG", None, [], [5], [[1000, 1]], [[1000, 1, 0, 0, b"0"]], [[1000, 1, 0, 0, -1]], [[1000, 0, 0, 0, 0]]),
        [[1000, 1, 0, 0, 0]] * 2,
    ],
)
async def test_what_is_no_answer_of_the_scripts_is_a_failure(said: object) -> None:
    played = Played(answer=lambda _: said)
    played.gate.set()
    with pytest.raises(Away, match=GARBLED):
        await played.lanes().wish(_wish())
    assert len(played.failures) == 1


async def test_whatever_is_raised_is_a_failure_with_a_reason() -> None:
    def fail(_: int) -> object:
        raise ValueError("planted")

    played = Played(answer=fail)
    played.gate.set()
    with pytest.raises(Away) as caught:
        await played.lanes().wish(_wish())
    assert "planted" not in caught.value.reason


async def test_a_caller_that_goes_away_ends_no_call_and_gives_back_what_it_was_given() -> None:
    played = Played()
    lanes = played.lanes()
    gone, stays = (asyncio.create_task(lanes.wish(_wish(name))) for name in ("gone", "stays"))
    await _turns()
    gone.cancel()
    await _turns()
    played.gate.set()
    answer = await stays
    assert isinstance(answer.said, Taken)
    assert answer.said.holder == "stays"
    assert [one.said.holder for one in played.unheard if isinstance(one.said, Taken)] == ["gone"]
    assert played.cancelled == 0


async def test_a_caller_that_goes_away_between_the_answer_and_its_ear_gives_back_what_it_was_given() -> None:
    played = Played()
    lanes = played.lanes()

    async def ask(_: Message) -> object:
        # Before whoever waits is woken by what comes next.
        asyncio.get_running_loop().call_soon(asked.cancel)
        return _yes(1)

    lanes.ask = ask
    asked = asyncio.create_task(lanes.wish(_wish("gone")))
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert [answer.said.holder for answer in played.unheard if isinstance(answer.said, Taken)] == ["gone"]


async def test_a_caller_that_goes_away_before_anything_was_sent_is_not_sent() -> None:
    played = Played()
    lanes = played.lanes()
    gone = asyncio.create_task(lanes.wish(_wish("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    await _turns()
    assert played.calls == []


async def test_what_is_owed_goes_along_and_before_what_is_wanted() -> None:
    played = Played()
    played.gate.set()
    lanes = played.lanes()
    played.owed.change([_change(7, 5)])
    await lanes.wish(_wish())
    assert [(len(call["add"]), len(call["take"])) for call in played.calls] == [(1, 1)]
    assert len(played.owed) == 0


async def test_who_waits_for_what_is_owed_to_be_told_is_answered_when_it_was() -> None:
    played = Played()
    lanes = played.lanes()
    await asyncio.wait_for(lanes.tell(), 1.0)
    played.owed.change([_change(7, 5)])
    waits = asyncio.create_task(lanes.tell())
    await _turns()
    assert not waits.done()
    played.gate.set()
    await asyncio.wait_for(waits, 1.0)
    assert len(played.calls) == 1


async def test_what_was_not_taken_stays_owed() -> None:
    def fail(_: int) -> object:
        raise OSError

    played = Played(answer=fail)
    played.gate.set()
    lanes = played.lanes()
    played.owed.change([_change(7, 5), _change(8, -5)])
    # As a failure is answered: nothing more is told.
    lanes.lost = lanes.shut
    await asyncio.wait_for(lanes.tell(), 1.0)
    assert [one.amount for one in played.owed.parcel(10).changes] == [5]


async def test_while_it_is_shut_nothing_is_told_and_nobody_waits() -> None:
    played = Played()
    lanes = played.lanes()
    asked: list[asyncio.Task[Answer]] = []
    for number in range(LANES + 1):
        asked.append(asyncio.create_task(lanes.wish(_wish(f"h{number}"))))
        await _turns()
    lanes.shut(Away("planted", sent=True))
    await _turns()
    assert [one.done() for one in asked] == [*[False] * LANES, True]
    last = asked[-1].exception()
    assert isinstance(last, Away)
    assert not last.sent
    played.owed.change([_change(7)])
    await asyncio.wait_for(lanes.tell(), 1.0)
    lanes.tell_soon()
    await _turns()
    assert len(played.calls) == LANES
    await lanes.close()
    assert played.cancelled == LANES
    assert played.failures == [], "an end is no failure"
    assert all(isinstance(one.exception(), Away) for one in asked)


async def test_a_loop_that_was_held_up_itself_blames_nobody() -> None:
    played = Played()
    lanes = played.lanes()
    asked = asyncio.create_task(lanes.wish(_wish()))
    await _turns()
    loop = asyncio.get_running_loop()
    # The answer has come, but the loop is busy until long after the deadline.
    end = loop.time() + 2 * PATIENCE_S
    while loop.time() < end:
        pass
    loop.call_later(0.001, played.gate.set)
    assert isinstance((await asked).said, Taken)
    assert played.failures == []


def _hold_up(turns: int, at_third: Callable[[], object]) -> None:
    """Keep the loop from its work for much of a request's patience in each of so many turns."""
    time.sleep(PATIENCE_S * 0.6)
    if turns == _HELD - 3:
        at_third()
    if turns:
        asyncio.get_running_loop().call_soon(_hold_up, turns - 1, at_third)


_HELD = 8


@pytest.mark.parametrize("answers", [True, False])
async def test_an_answer_that_came_while_the_loop_was_held_up_is_one_and_silence_is_none(answers: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)  # noqa: FBT003  as the library has it
        loop = asyncio.get_running_loop()

        async def ask(message: Message) -> object:
            loop.call_soon(_hold_up, _HELD, lambda: theirs.send(b"1") if answers else None)
            await loop.sock_recv(ours, 1)
            # Who reads what came, and who waits for that, each have a turn of their own.
            await _turns(1)
            return _yes(len(orjson.loads(message.argument)["take"]))

        played = Played()
        lanes = played.lanes()
        lanes.ask = ask
        if answers:
            assert isinstance((await lanes.wish(_wish())).said, Taken)
        else:
            with pytest.raises(Away):
                await lanes.wish(_wish())
        assert [gone.reason for gone in played.failures] == ([] if answers else [NO_ANSWER])


async def test_a_call_that_is_sent_late_is_given_a_moment_all_the_same() -> None:
    played = Played()
    lanes = played.lanes()
    asked = asyncio.create_task(lanes.wish(_wish()))
    await asyncio.sleep(0)
    # Most of its time is over before it can be sent.
    time.sleep(PATIENCE_S * 0.98)  # noqa: ASYNC251  the loop is to be held up
    asyncio.get_running_loop().call_later(0.003, played.gate.set)
    assert isinstance((await asked).said, Taken)
    assert played.failures == []
