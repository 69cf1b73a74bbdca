"""What becomes of a contender that does not answer."""

import io
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from benchmarks.contenders import CONTENDERS, UPSTREAM
from benchmarks.outside import free_ports
from benchmarks.plan import Plan
from benchmarks.processes import CannotMeasure, Cores
from benchmarks.record import Recorder
from benchmarks.rounds import measure
from benchmarks.scenarios import Scenario
from benchmarks.starting import Field


@dataclass(slots=True, kw_only=True)
class Gone:
    """A server that nobody reaches."""

    port: int
    pid: int = 0

    def last_words(self) -> str:
        return "/somewhere/on/this/machine fell over"


def _measured(name: str) -> Any:
    (contender,) = (one for one in CONTENDERS if one.name == name)
    plan = Plan(
        scenarios=[Scenario(name="whole", connections=1)], contenders=[contender], rounds=2, seconds=0.1, warmup=0,
        key="k", language="ascii",
    )  # fmt: skip
    cores = Cores(server=None, load=None)
    recorder = Recorder(plan, cores, Field(contenders=plan.contenders, versions={}, left_out={}))
    gone = Gone(port=free_ports([name])[name])
    rows = measure(plan, {contender.server: gone, UPSTREAM: gone}, recorder, Console(file=io.StringIO()))
    assert not rows
    return recorder.whole()


@pytest.mark.rows
@pytest.mark.parametrize("name", ["nginx", "litellm", "portkey"])
def test_a_program_of_others_is_left_out_with_a_word_that_tells_nothing_of_this_machine(name: str) -> None:
    whole = _measured(name)
    ((skipped),) = whole["skipped"]
    assert (skipped["what"], skipped["contender"]) == ("whole", name)
    assert skipped["why"]
    assert "machine" not in skipped["why"]
    assert whole["turns"] == []


@pytest.mark.rows
@pytest.mark.parametrize("name", ["direct", "bare", "gateway chat"])
def test_what_is_ours_ends_the_run(name: str) -> None:
    with pytest.raises(CannotMeasure, match=f"{name}, whole: "):
        _measured(name)
