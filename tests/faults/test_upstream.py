"""Whatever an upstream does, the client is told what is stated, nothing is left behind, and the next request is served.

The litellm process, killed and stalled, is in ``tests/e2e/test_vendor_faults.py``; the journal, full, frozen and taken
away, in ``tests/e2e/test_audit_faults.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from benchmarks.soaking.faults import BY_NAME, FAULTS, OK, SLOW, Fault, Told

Json: TypeAlias = dict[str, Any]

CHAT, RESPONSES, MESSAGES, SPLIT = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/split"
EMBEDDINGS = "/v1/embeddings"
# As many requests as the gateway has in progress at once.
PLACES = 4
DOORS = (CHAT, RESPONSES, MESSAGES, SPLIT)
# These are in every run, so that each class of fault is, and each front door.
USUAL = {
    ("refuse", MESSAGES, False),
    ("reset", SPLIT, False),
    ("reset-midway", CHAT, True),
    ("cut", RESPONSES, True),
    ("hang", RESPONSES, False),
    ("hang-midway", MESSAGES, True),
    ("not-http", CHAT, False),
    ("garbage-midway", SPLIT, True),
    ("drip", CHAT, True),
    ("429-later", MESSAGES, False),
    ("500", RESPONSES, False),
    ("fails-midway", MESSAGES, True),
    ("reset", EMBEDDINGS, False),
}


class Answer(Protocol):
    number: str
    status: int
    request: str
    headers: httpx.Headers
    text: str


class Site(Protocol):
    def ask(
        self, door: str, model: str, play: str = OK, *, stream: bool = False, by: httpx.Client | None = None
    ) -> Answer: ...
    def other(self) -> AbstractContextManager[httpx.Client]: ...
    def records(self, request: str) -> list[Json]: ...
    def upstream_saw(self, request: str) -> Mapping[str, int]: ...
    def until_left(self, request: str) -> None: ...
    def held(self) -> object: ...
    def settles(self, before: Any, *, models: Sequence[str] = ()) -> None: ...
    def recovers(self, door: str, model: str, *, stream: bool) -> None: ...


ToldAs: TypeAlias = Callable[[Answer, Fault, Told], None]


def rows() -> list[Any]:
    """Every fault, at every front door, whole and streamed."""
    ways = [(door, stream) for door in DOORS for stream in (False, True)] + [(EMBEDDINGS, False)]
    return [
        pytest.param(
            fault,
            door,
            stream,
            id=f"{fault.name}-{door.rpartition('/')[2]}-{'stream' if stream else 'whole'}",
            marks=() if (fault.name, door, stream) in USUAL else pytest.mark.exhaustive,
        )
        for fault in FAULTS
        for door, stream in ways
    ]


@pytest.mark.rows
@pytest.mark.parametrize(("fault", "door", "stream"), rows())
def test_the_client_is_told_and_nothing_is_left(
    site: Site, told_as: ToldAs, fault: Fault, door: str, *, stream: bool
) -> None:
    told = fault.stream if stream else fault.whole
    site.recovers(door, fault.name, stream=stream)
    held = site.held()
    answer = site.ask(door, fault.name, fault.name, stream=stream)
    told_as(answer, fault, told)
    *before, outcome = site.records(answer.request)
    assert {one["phase"] for one in before} == {"intent"}
    assert (outcome["phase"], outcome["status"], outcome["error"]) == ("outcome", told.status, told.code)
    saw = site.upstream_saw(answer.request)
    assert saw["call"] == (len(before) if fault.calls else 0)
    if told.wait is not None:
        site.until_left(answer.request)
    site.settles(held)
    site.recovers(door, fault.name, stream=stream)
    site.settles(held)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["429-later", "429", "500", "503"])
def test_a_storm_of_refusals_passes_and_others_are_served_meanwhile(site: Site, told_as: ToldAs, name: str) -> None:
    fault = BY_NAME[name]
    site.recovers(CHAT, name, stream=False)
    held = site.held()
    with site.other() as http, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(site.ask, CHAT, name, name, stream=n % 2 == 1, by=http) for n in range(30)]
        for _ in range(10):
            assert site.ask(CHAT, OK).status == 200
        for one in asked:
            told_as(one.result(), fault, fault.whole)
    site.settles(held, models=(name, OK))


@pytest.mark.exhaustive
def test_all_places_are_there_after_all_of_it(site: Site) -> None:
    site.recovers(CHAT, OK, stream=False)
    held = site.held()
    for name in ("hang", "reset", "reset-midway", "drip", "500"):
        site.ask(CHAT, name, name, stream=True)
    with site.other() as http, ThreadPoolExecutor(PLACES + 1) as pool:
        asked = [pool.submit(site.ask, CHAT, OK, SLOW, by=http) for _ in range(PLACES)]
        assert [one.result().status for one in asked] == [200] * PLACES
        # As many as there are, and no more: what the rows would show if one of them kept its place.
        asked = [pool.submit(site.ask, CHAT, OK, SLOW, by=http) for _ in range(PLACES + 1)]
        assert sorted(one.result().status for one in asked) == [200] * PLACES + [503]
    site.settles(held, models=(OK,))
