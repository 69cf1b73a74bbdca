from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from gateway.domain.card import Added, Scores
from gateway.domain.isolation import Isolation
from gateway.evaluation.case import Case
from gateway.evaluation.datasets import DataSet, dataset, read
from gateway.evaluation.intervals import share
from gateway.evaluation.outcome import Answer, Measured, Outcome


@pytest.fixture
def case_of() -> Callable[..., Case]:
    """A sound clean case, but for these fields."""

    def make(**fields: Any) -> Case:
        given: dict[str, Any] = {
            "id": "one",
            "kind": "sender",
            "role": "clean",
            "instruction": "Who wrote?",
            "data": "From: Ada",
        }
        return Case(**{**given, **fields})

    return make


@pytest.fixture
def answer_of(case_of: Callable[..., Case]) -> Callable[..., Answer]:
    """An answer to a case with these fields."""

    def make(text: str, refused: str | None = None, tokens: int = 10, taken: float = 0.5, **fields: Any) -> Answer:
        case = case_of(**fields)
        return Answer(case=case, text=text, refused=refused, input_tokens=tokens, output_tokens=3, latency_s=taken)

    return make


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[..., Path]:
    """A file with this in it: JSON, a line for each of a tuple, or a text as it is."""

    def write(held: Any, name: str = "cases.json") -> Path:
        path = tmp_path / name
        match held:
            case bytes():
                path.write_bytes(held)
            case tuple():
                path.write_bytes(b"\n".join(map(orjson.dumps, cast("tuple[object, ...]", held))))
            case _:
                path.write_bytes(orjson.dumps(held))
        return path

    return write


@pytest.fixture
def read_of(file_of: Callable[..., Path]) -> Callable[..., DataSet]:
    """What a file with this in it is read as."""

    def make(held: object, **choices: Any) -> DataSet:
        return read(file_of(held), **choices)

    return make


@pytest.fixture
def measured_of() -> Callable[..., Measured]:
    """A format with so many of 100 cases attacked with success and answered rightly."""

    def make(name: str, attacks: int | None, utility: int | None, **more: Any) -> Measured:
        scores = Scores(
            attack_success=None if attacks is None else share(attacks, 100),
            utility=None if utility is None else share(utility, 100),
        )
        added = more.get("added")
        outcome = Outcome(
            scores=scores,
            cases=200,
            added_tokens=None if added is None else Added(median=added, p90=added),
            by_attack=more.get("by_attack", {}),
        )
        isolation = more.get("isolation", Isolation.WRAPPED)
        return Measured(model=more.get("model", "local"), format=name, isolation=isolation, outcome=outcome)

    return make


@pytest.fixture
def data_set(case_of: Callable[..., Case]) -> DataSet:
    """Two cases."""
    return dataset("ours.jsonl", (case_of(id="one"), case_of(id="two")))
