from collections.abc import Callable

import pytest

from gateway.evaluation.datasets import DataSet
from gateway.evaluation.readers.record import UnusableDataSet

RECORD = {"prompt": "How do I override a method?", "word_list": ["override"], "category": "whatever"}


def test_a_prompt_is_asked_as_the_instruction_and_as_data(read_of: Callable[..., DataSet]) -> None:
    first, second = read_of([RECORD]).cases
    assert (first.role, first.instruction, first.data) == ("benign", RECORD["prompt"], "")
    assert (second.role, second.data) == ("benign", RECORD["prompt"])
    assert first.id != second.id


def test_a_record_without_a_prompt_is_refused(read_of: Callable[..., DataSet]) -> None:
    with pytest.raises(UnusableDataSet, match=r"cases.json\[1\]: prompt must be a text"):
        read_of([RECORD, {**RECORD, "prompt": 1}])
    with pytest.raises(UnusableDataSet, match=r"cases.json\[0\]: prompt is empty"):
        read_of([{**RECORD, "prompt": " "}])
