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


# One of so many cases is taken in the short form.
STEP = 24


class Packs:
    """What is recorded and replayed of the packs."""

    def __init__(
        self, record: Record, pack: Callable[..., PolicyFile], asks_of: Callable[[Policy], list[object]]
    ) -> None:
        self._record = record
        self._pack = pack
        self._asks_of = asks_of

    def asks(self, name: str, step: int) -> list[object]:
        file = self._pack(name)
        return self._asks_of(load_policy(file.file, file.raw, vocabulary, {}))[::step]

    async def unchanged(self, name: str, step: int) -> None:
        """A pack tried on its own records."""
        fallback = self._pack("baseline", listed=name == "baseline", fallback=True)
        files = [fallback] if name == "baseline" else [fallback, self._pack(name)]
        asks = self.asks(name, step)
        outcomes = (await self._record(files, asks)).replayed(*files)
        assert len({one.request for one in outcomes}) == len(asks)
        assert len({one.change.before for one in outcomes}) > 1
        assert [one for one in outcomes if one.changed] == []
        assert [one.doubts for one in outcomes if not one.told] == []

    async def as_decided(self, name: str, step: int) -> None:
        """A pack that acts, tried on what was recorded while it only watched."""
        nothing, file = PolicyFile(file="off.yaml", raw=OFF, listed=False, fallback=True), self._pack(name)
        watching = replace(file, raw=file.raw.replace(b"mode: enforce", b"mode: shadow", 1))
        asks = self.asks(name, step)
        decided = numbered((await self._record([nothing, file], asks)).replayed(nothing, file))
        replayed = numbered((await self._record([nothing, watching], asks)).replayed(nothing, file))
        assert decided.keys() == replayed.keys()
        untold = {doubt.why for one in replayed.values() if not one.told for doubt in one.doubts}
        assert untold <= {NOT_PLANTED}
        told = [place for place, one in replayed.items() if one.told]
        after = {place: replayed[place].change.after for place in told}
        assert after == {place: decided[place].change.before for place in told}
        assert any(replayed[place].changed for place in told)


@pytest.fixture
def packs(record: Record, pack: Callable[..., PolicyFile], asks_of: Callable[[Policy], list[object]]) -> Packs:
    return Packs(record, pack, asks_of)


@pytest.mark.parametrize("name", NAMES)
async def test_a_pack_tried_on_its_own_records_changes_nothing(name: str, packs: Packs) -> None:
    await packs.unchanged(name, STEP)


@pytest.mark.parametrize("name", NAMES)
async def test_a_pack_that_only_watched_is_replayed_as_it_decides_once_it_acts(name: str, packs: Packs) -> None:
    await packs.as_decided(name, STEP)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
async def test_every_case_of_a_pack_is_replayed_as_it_was_decided(name: str, packs: Packs) -> None:
    await packs.unchanged(name, 1)
    await packs.as_decided(name, 1)


def numbered(outcomes: Sequence[Outcome]) -> dict[tuple[int, str], Outcome]:
    """Outcomes by the number of their request, since each run draws ids of its own."""
    numbers = {request: number for number, request in enumerate(dict.fromkeys([one.request for one in outcomes]))}
    return {(numbers[one.request], one.way): one for one in outcomes}
