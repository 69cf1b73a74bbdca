"""Whatever a corpus holds, an entry is read or left out with a reason, and what is read can be judged."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.activation.rehearse import Asking
from gateway.cli.policy.corpus import Reading, read_entry
from gateway.cli.policy.judge import Judge, as_enforced
from gateway.configuration.packs import PACKS, POLICY
from gateway.detectors.build import build, vocabulary
from gateway.domain.detection import Stage
from gateway.domain.errors import RequestError
from gateway.domain.identity import ANONYMOUS
from gateway.domain.jsonvalue import JsonValue
from policies.engine.load import load_policy

TEXTS = st.text(max_size=30)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
KEYS = (
    *("stage", "text", "tool", "data", "instructions", "segment", "request", "output", "tainted"),
    *("prompt", "messages", "model", "body", "dialect", "name"),
)
TOOLS = st.fixed_dictionaries({}, optional={"name": SCALARS, "arguments": VALUES})
FACTS = st.dictionaries(st.sampled_from(["origin", "tenant", "channel", "kind", "tools"]), SCALARS, max_size=2)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(KEYS, VALUES),
        "stage": st.sampled_from([*Stage, "nowhere"]),
        "text": TEXTS,
        "tool": TOOLS,
        "segment": FACTS,
        "request": FACTS,
        "output": FACTS,
    },
)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    file = PACKS / "baseline" / POLICY
    policy = load_policy(str(file), file.read_bytes(), vocabulary, {})
    scanner, instances = build([policy], None)
    with asyncio.Runner() as runner:
        yield Judge(
            choose=as_enforced([policy], instances),
            scanner=Asking(scanner, runner, frozenset()),
            caller=ANONYMOUS,
            models={},
            now=0.0,
        )


def _came_of(judge: Judge, value: JsonValue, reading: Reading) -> str:
    try:
        judge.verdict(read_entry(value, reading))
    except (ValueError, RequestError) as error:
        return str(error)
    return "judged"


@given(value=st.one_of(VALUES, OBJECTS), field=st.none() | st.sampled_from(KEYS), stage=st.sampled_from(Stage))
def test_any_entry_is_judged_or_left_out_with_a_reason(
    judge: Judge, value: JsonValue, field: str | None, stage: Stage
) -> None:
    assert _came_of(judge, value, Reading(field=field, stage=stage))
