import json
from pathlib import Path

import pytest

from gateway.evaluation.case import Case, Role
from gateway.evaluation.datasets import DataSet, dataset, digest
from gateway.evaluation.selection import all_cases, chosen
from gateway.evaluation.stopped import CannotMeasure


def case(number: int, role: Role) -> Case:
    kind, twin = f"k{number % 2}", f"t{number}"
    name = f"{role[0]}{number}"
    return Case(id=name, kind=kind, role=role, instruction="Do it.", data="x", witness=("w",), twin=twin)


DATA: DataSet = dataset(
    "mine", tuple(case(number, role) for number in range(20) for role in ("attacked", "instructed"))
)


def select(
    *, kinds: tuple[str, ...] = (), roles: tuple[str, ...] = (), sample: int | None = None, seed: int = 0
) -> DataSet:
    return chosen(DATA, kinds=kinds, roles=roles, sample=sample, seed=seed)


def test_all_are_asked_unless_some_are_named() -> None:
    assert select() == DATA
    assert {case.kind for case in select(kinds=("k1",)).cases} == {"k1"}
    assert {case.role for case in select(roles=("attacked",)).cases} == {"attacked"}
    assert len(select(kinds=("k1",), roles=("attacked",)).cases) == 10


def test_a_sample_holds_twins_together_and_is_the_same_every_time() -> None:
    drawn = select(sample=5)
    assert len(drawn.cases) == 6
    assert len({case.twin for case in drawn.cases}) == 3
    assert drawn == select(sample=5)
    assert drawn.cases != select(sample=5, seed=1).cases
    assert [case.id for case in drawn.cases] == [case.id for case in DATA.cases if case in drawn.cases]
    assert select(sample=1000) == DATA


def test_a_part_has_a_digest_of_its_own() -> None:
    part = select(sample=4)
    assert part.digest == digest(part.cases) != DATA.digest
    assert part.name == "mine"


def test_if_nothing_is_left_it_is_told_what_there_is() -> None:
    with pytest.raises(CannotMeasure, match=r"none of the 40 cases.*kinds k0, k1 and the roles attacked, instructed"):
        select(kinds=("nothing",))


def test_without_a_file_the_built_in_suite_is_asked(tmp_path: Path) -> None:
    assert all_cases(()).name == "builtin"
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"id": "c", "kind": "k", "role": "benign", "instruction": "Say hello.", "data": ""}))
    assert (all_cases((file,)).name, len(all_cases((file,)).cases)) == ("own.jsonl", 1)
    file.write_text("no case")
    with pytest.raises(CannotMeasure, match=r"own\.jsonl"):
        all_cases((file,))
