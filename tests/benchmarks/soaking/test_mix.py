# ruff: noqa: S311 — what is drawn is to be drawn again

import json
import random
from collections import Counter

import pytest

from benchmarks.soaking.faults import FAULTS, MARK, REFUSE
from benchmarks.soaking.mix import DIALECTS, Ask, body_of, draw, model_of
from gateway.dialects.registry import DIALECTS as READERS

NAMES = {"chat": "openai_chat", "responses": "openai_responses", "messages": "anthropic_messages", "split": "split"}


@pytest.fixture(scope="module")
def drawn() -> list[Ask]:
    chance = random.Random(1)
    return [draw(chance) for _ in range(20_000)]


def test_one_in_twenty_has_a_fault_and_every_fault_comes(drawn: list[Ask]) -> None:
    faults = Counter(ask.play for ask in drawn if ask.kind.startswith("fault "))
    assert set(faults) == {fault.name for fault in FAULTS}
    assert 0.04 < sum(faults.values()) / len(drawn) < 0.06


def test_every_kind_comes_in_every_dialect_whole_and_streamed(drawn: list[Ask]) -> None:
    kinds = {(ask.kind.partition(" ")[0], ask.dialect, ask.stream) for ask in drawn}
    assert len(kinds) == 5 * len(DIALECTS) * 2


def test_the_same_seed_draws_the_same(drawn: list[Ask]) -> None:
    chance = random.Random(1)
    assert [draw(chance) for _ in range(50)] == drawn[:50]


def test_what_can_it_take_is_asked_by_requests_that_are_served() -> None:
    chance = random.Random(1)
    assert {draw(chance, healthy=True).kind for _ in range(2_000)} == {"served"}


def test_every_body_is_its_dialects_and_holds_its_mark_once(drawn: list[Ask]) -> None:
    for ask in drawn[:500]:
        body = body_of(ask)
        assert MARK.findall(body) == [(ask.number.encode(), ask.play.encode())]
        request = READERS[NAMES[ask.dialect]].read(json.loads(body))
        assert (request.model, request.options.stream) == (model_of(ask), ask.stream)
        assert (request.model == REFUSE) is (ask.play == REFUSE)
        assert request.subject == ask.subject
