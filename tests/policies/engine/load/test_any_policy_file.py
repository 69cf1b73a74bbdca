"""Whatever a policy file holds, it becomes a policy, or a person is told what to mend and where."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.jsonvalue import JsonValue
from gateway.yamlfile.problems import InvalidConfiguration, Loc
from gateway.yamlfile.source import at, read_source
from policies.engine.model import Policy
from policies.engine.schema import SECTIONS

Read = Callable[..., Policy]

KEYS = sorted({field.alias or name for _, section in SECTIONS for name, field in section.model_fields.items()})
WORDS = ["enforce", "data", "output", "r", "det.secrets.found", "[", "2026-01-01", "lists.partners", "env:KEY", "é\n"]

leaves = st.none() | st.booleans() | st.integers(-2, 10**20) | st.floats(-1, 2) | st.sampled_from(WORDS) | st.text()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=3),
    max_leaves=6,
)


def outcome(read: Read, text: str) -> Policy | InvalidConfiguration:
    try:
        return read(text)
    except InvalidConfiguration as error:
        return error


def expect_a_place(found: Policy | InvalidConfiguration) -> None:
    if isinstance(found, InvalidConfiguration):
        assert all(problem.line and problem.column and problem.message for problem in found.problems)


def places(value: JsonValue, here: Loc = ()) -> Iterator[Loc]:
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*here, key))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from places(inner, (*here, index))


Change: TypeAlias = Callable[[JsonValue], JsonValue]


def changed(value: JsonValue, loc: Loc, change: Change) -> JsonValue:
    """``value`` with what stands at ``loc`` changed."""
    if not loc:
        return change(value)
    head, rest = loc[0], loc[1:]
    if isinstance(value, Mapping):
        return {key: changed(inner, rest, change) if key == head else inner for key, inner in value.items()}
    assert isinstance(value, tuple)
    return tuple(changed(inner, rest, change) if index == head else inner for index, inner in enumerate(value))


def without(value: JsonValue, loc: Loc) -> JsonValue:
    def cut(around: JsonValue) -> JsonValue:
        if isinstance(around, Mapping):
            return {key: inner for key, inner in around.items() if key != loc[-1]}
        assert isinstance(around, tuple)
        return tuple(inner for index, inner in enumerate(around) if index != loc[-1])

    return changed(value, loc[:-1], cut)


def twice(value: JsonValue, loc: Loc) -> JsonValue:
    def repeat(around: JsonValue) -> JsonValue:
        if isinstance(around, Mapping):
            return {**around, f"{loc[-1]}x": around[str(loc[-1])]}
        assert isinstance(around, tuple)
        return (*around, *around)

    return changed(value, loc[:-1], repeat)


@settings(max_examples=settings().max_examples // 4)
@given(data=st.data(), fresh=values)
def test_a_policy_with_another_value_somewhere(
    policy_from: Read, sound: str, data: st.DataObject, fresh: JsonValue
) -> None:
    value = read_source("p.yaml", sound.encode()).value
    loc = data.draw(st.sampled_from(list(places(value))))
    expect_a_place(outcome(policy_from, json.dumps(changed(value, loc, lambda _: fresh))))


@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_a_policy_with_a_value_from_elsewhere_in_it(policy_from: Read, sound: str, data: st.DataObject) -> None:
    value = read_source("p.yaml", sound.encode()).value
    somewhere = st.sampled_from(list(places(value)))
    other = at(value, data.draw(somewhere))
    expect_a_place(outcome(policy_from, json.dumps(changed(value, data.draw(somewhere), lambda _: other))))


@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_a_policy_without_a_value_or_with_one_twice(policy_from: Read, sound: str, data: st.DataObject) -> None:
    value = read_source("p.yaml", sound.encode()).value
    loc = data.draw(st.sampled_from([loc for loc in places(value) if loc]))
    expect_a_place(outcome(policy_from, json.dumps(data.draw(st.sampled_from((without, twice)))(value, loc))))


@pytest.mark.exhaustive
def test_a_policy_without_each_value_or_with_each_twice(policy_from: Read, sound: str) -> None:
    value = read_source("p.yaml", sound.encode()).value
    for loc in places(value):
        if loc:
            expect_a_place(outcome(policy_from, json.dumps(without(value, loc))))
            expect_a_place(outcome(policy_from, json.dumps(twice(value, loc))))


@given(data=st.data(), junk=st.text(alphabet=st.sampled_from("ab:- \n\t[]{}&*!|>'\"#%,?@`0x.<~\\é\x00"), max_size=6))
def test_a_policy_whose_text_was_damaged(policy_from: Read, sound: str, data: st.DataObject, junk: str) -> None:
    start = data.draw(st.integers(0, len(sound)))
    end = start + data.draw(st.integers(0, 40))
    expect_a_place(outcome(policy_from, sound[:start] + junk + sound[end:]))


@given(st.text(), st.sampled_from(["data", "output", "tool_call"]))
def test_a_rule_with_any_condition(policy_with: Read, condition: str, stage: str) -> None:
    rule = {"id": "r", "stage": stage, "severity": "error", "when": condition, "action": "block", "message": "m"}
    expect_a_place(outcome(policy_with, f"rules: [{json.dumps(rule)}]"))


def test_the_sound_file_is_sound(policy_from: Read, sound: str) -> None:
    value = read_source("p.yaml", sound.encode()).value
    assert isinstance(outcome(policy_from, sound), Policy)
    assert isinstance(outcome(policy_from, json.dumps(value)), Policy)
