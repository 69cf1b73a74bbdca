"""Do the packs, tried on what was recorded under themselves, change nothing?"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.activation.sources import PolicyFile
from gateway.audit.recall import NOT_PLANTED
from gateway.audit.replay import Outcome
from gateway.detectors.build import vocabulary
from policies.engine.load import load_policy
from policies.engine.model import Policy

NAMES = ("agents", "baseline", "exfiltration", "pii-eu", "pii-us", "strict")


class Recorded(Protocol):
    def replayed(self, *policies: PolicyFile) -> list[Outcome]: ...
    def decided(self) -> list[tuple[object, ...]]: ...


OFF = b"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {name: nothing}\nspec: {mode: 'off'}\n"
Record = Callable[..., Awaitable[Recorded]]


@pytest.mark.parametrize("name", NAMES)
async def test_a_pack_tried_on_its_own_records_changes_nothing(
    name: str, record: Record, pack: Callable[..., PolicyFile], asks_of: Callable[[Policy], Sequence[object]]
) -> None:
    file = pack(name)
    fallback = pack("baseline", listed=name == "baseline", fallback=True)
    files = [fallback] if name == "baseline" else [fallback, file]
    policy = load_policy(file.file, file.raw, vocabulary, {})
    recorded = await record(files, asks_of(policy))
    outcomes = recorded.replayed(*files)
    assert len({one.request for one in outcomes}) >= len(policy.cases)
    assert len({one.change.before for one in outcomes}) > 1
    assert [one for one in outcomes if one.changed] == []
    assert [one.doubts for one in outcomes if not one.told] == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_pack_that_only_watched_is_replayed_as_it_decides_once_it_acts(
    name: str, record: Record, pack: Callable[..., PolicyFile], asks_of: Callable[[Policy], Sequence[object]]
) -> None:
    nothing, file = PolicyFile(file="off.yaml", raw=OFF, listed=False, fallback=True), pack(name)
    watching = replace(file, raw=file.raw.replace(b"mode: enforce", b"mode: shadow", 1))
    asks = asks_of(load_policy(file.file, file.raw, vocabulary, {}))
    decided = numbered((await record([nothing, file], asks)).replayed(nothing, file))
    replayed = numbered((await record([nothing, watching], asks)).replayed(nothing, file))
    assert decided.keys() == replayed.keys()
    untold = {doubt.why for one in replayed.values() if not one.told for doubt in one.doubts}
    assert untold <= {NOT_PLANTED}
    told = [place for place, one in replayed.items() if one.told]
    assert {place: replayed[place].change.after for place in told} == {
        place: decided[place].change.before for place in told
    }
    assert any(replayed[place].changed for place in told)


def numbered(outcomes: Sequence[Outcome]) -> dict[tuple[int, str], Outcome]:
    """Outcomes by the number of their request, since each run draws ids of its own."""
    numbers = {request: number for number, request in enumerate(dict.fromkeys([one.request for one in outcomes]))}
    return {(numbers[one.request], one.way): one for one in outcomes}
