"""The stages are called one by one here, so they must still be those of a request's way."""

from pathlib import Path

import pytest

from benchmarks.canned import at_once
from benchmarks.contenders import BASELINE, CONTENDERS, OFF, Contender, Site
from benchmarks.inside import inside, scope_of, through
from benchmarks.scenarios import SCENARIOS
from benchmarks.site import site_in, write_config
from benchmarks.stages import Way, added_times
from gateway.domain.detection import Stage

_GATEWAYS = [contender for contender in CONTENDERS if contender.server in (BASELINE, OFF)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = site_in(tmp_path, 1)
    write_config(made, "key", SCENARIOS)
    return made


@pytest.mark.parametrize("contender", _GATEWAYS, ids=lambda contender: contender.name)
def test_a_request_passes_each_stage_and_comes_through_the_door(site: Site, contender: Contender) -> None:
    gateway = inside(site, contender, SCENARIOS[0])
    scope = scope_of(contender, "key", len(gateway.body))
    way = Way.of(gateway, scope)
    prompt = way.lift()
    facts, subjects = way.subjects(prompt)
    verdict = way.decide(way.scan(subjects))
    applied = way.apply(prompt, verdict)
    call = way.call(applied)
    answered = way.guard(prompt, facts, applied, call, way.send(call))
    assert answered.handling.policy is not None
    assert answered.handling.decision == "allow"
    at_once(through(gateway, scope))


def test_the_two_gateways_differ_in_their_policies_alone(site: Site) -> None:
    ways = {
        contender.server: Way.of(inside(site, contender, SCENARIOS[0]), scope_of(contender, "key", 2048))
        for contender in _GATEWAYS
        if contender.dialect == "chat"
    }
    assert ways[BASELINE].policies.names == ("baseline",)
    assert ways[BASELINE].policies.guards(Stage.DATA)
    assert ways[OFF].policies.names == ("nothing",)
    assert not any(ways[OFF].policies.guards(stage) for stage in Stage)


def test_each_stage_has_a_figure() -> None:
    assert list(added_times({"one": lambda: None, "two": lambda: None})) == ["one", "two"]
