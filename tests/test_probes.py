import asyncio
from collections.abc import Callable

import pytest

from gateway.domain.errors import UpstreamUnreachable
from gateway.domain.target import Target
from gateway.pipeline.credit import Evidence
from gateway.probes import Probes


@pytest.fixture
def target() -> Callable[..., Target]:
    def make(name: str, *, needs_probe: bool = True) -> Target:
        return Target(
            id=name, provider="p", base_url="", model="m", format="secalign", family="all", needs_probe=needs_probe
        )

    return make


async def test_only_targets_that_need_it_are_asked(target: Callable[..., Target]) -> None:
    asked: list[str] = []

    async def ask(asked_target: Target) -> tuple[Evidence, str]:
        asked.append(asked_target.id)
        return Evidence.SHOWN, "because"

    probes = Probes(ask)
    await probes.start([target("a"), target("b", needs_probe=False)], wait_s=5)
    assert asked == ["a"]
    assert probes.evidence(target("a")) is Evidence.SHOWN
    assert probes.evidence(target("b", needs_probe=False)) is Evidence.MISSING
    await probes.close()


async def test_a_target_that_cannot_be_reached_is_asked_again(target: Callable[..., Target]) -> None:
    answers = [UpstreamUnreachable("down", target="a"), None]
    answered = asyncio.Event()

    async def ask(_: Target) -> tuple[Evidence, str]:
        failure = answers.pop(0)
        if failure is not None:
            raise failure
        answered.set()
        return Evidence.REFUTED, "because"

    probes = Probes(ask, retry_s=0.001)
    await probes.start([target("a")], wait_s=5)
    await answered.wait()
    assert probes.evidence(target("a")) is Evidence.REFUTED
    await probes.close()


async def test_a_start_does_not_wait_for_ever(target: Callable[..., Target]) -> None:
    async def ask(_: Target) -> tuple[Evidence, str]:
        await asyncio.Event().wait()
        raise AssertionError

    probes = Probes(ask)
    await probes.start([target("a")], wait_s=0.01)
    assert probes.evidence(target("a")) is Evidence.MISSING
    await probes.close()


async def test_without_targets_to_ask_a_start_is_immediate() -> None:
    async def ask(_: Target) -> tuple[Evidence, str]:
        raise AssertionError

    probes = Probes(ask)
    await probes.start([], wait_s=5)
    await probes.close()


async def test_the_first_round_is_settled_when_each_target_has_answered_or_failed(
    target: Callable[..., Target],
) -> None:
    asked = {"shown": asyncio.Event(), "down": asyncio.Event()}

    async def ask(asked_target: Target) -> tuple[Evidence, str]:
        await asked[asked_target.id].wait()
        if asked_target.id == "down":
            raise UpstreamUnreachable("down", target="down")
        return Evidence.SHOWN, "because"

    probes = Probes(ask)
    assert probes.settled
    await probes.start([target("shown"), target("down"), target("other", needs_probe=False)], wait_s=0.01)
    assert not probes.settled
    asked["shown"].set()
    await asyncio.sleep(0.01)
    assert not probes.settled
    asked["down"].set()
    await asyncio.sleep(0.01)
    assert probes.settled
    await probes.close()


async def test_a_target_that_hangs_settles_nothing_for_ever_and_is_asked_again(target: Callable[..., Target]) -> None:
    attempts: list[str] = []
    again = asyncio.Event()

    async def ask(asked_target: Target) -> tuple[Evidence, str]:
        attempts.append(asked_target.id)
        if len(attempts) == 1:
            await asyncio.Event().wait()
        again.set()
        return Evidence.SHOWN, "because"

    probes = Probes(ask, retry_s=0.001, patience_s=0.01)
    await probes.start([target("a")], wait_s=5)
    await again.wait()
    assert probes.settled
    assert probes.evidence(target("a")) is Evidence.SHOWN
    await probes.close()


async def test_a_target_that_is_asked_when_it_is_used_is_asked_once_for_all_who_wait(
    target: Callable[..., Target],
) -> None:
    asked: list[str] = []
    go_on = asyncio.Event()

    async def ask(asked_target: Target) -> tuple[Evidence, str]:
        asked.append(asked_target.id)
        await go_on.wait()
        return Evidence.SHOWN, "because"

    probes = Probes(ask)
    await probes.start([target("a")], wait_s=5, when_used=lambda one: one.id == "a")
    assert (asked, probes.settled, probes.evidence(target("a"))) == ([], True, Evidence.MISSING)
    await probes.shown([target("other")])
    assert asked == []
    waiting = [asyncio.create_task(probes.shown([target("a")])) for _ in range(3)]
    await asyncio.sleep(0)
    waiting.pop().cancel()  # its client went away
    go_on.set()
    await asyncio.gather(*waiting)
    await probes.shown([target("a")])
    assert (asked, probes.evidence(target("a"))) == (["a"], Evidence.SHOWN)
    await probes.close()


async def test_one_that_could_not_be_asked_is_asked_again_by_the_next_use_alone(target: Callable[..., Target]) -> None:
    answers = [UpstreamUnreachable("down", target="a"), None]

    async def ask(_: Target) -> tuple[Evidence, str]:
        failure = answers.pop(0)
        if failure is not None:
            raise failure
        return Evidence.SHOWN, "because"

    probes = Probes(ask, retry_s=0.001)
    await probes.start([target("a")], wait_s=5, when_used=lambda _: True)
    await probes.shown([target("a")])
    await asyncio.sleep(0.01)
    assert (len(answers), probes.evidence(target("a"))) == (1, Evidence.MISSING)
    await probes.shown([target("a")])
    assert probes.evidence(target("a")) is Evidence.SHOWN
    await probes.close()


async def test_closing_ends_a_question_that_a_use_began(target: Callable[..., Target]) -> None:
    async def ask(_: Target) -> tuple[Evidence, str]:
        await asyncio.Event().wait()
        raise AssertionError

    probes = Probes(ask)
    await probes.start([target("a")], wait_s=5, when_used=lambda _: True)
    waiting = asyncio.create_task(probes.shown([target("a")]))
    await asyncio.sleep(0)
    await probes.close()
    await asyncio.wait_for(waiting, 5)
