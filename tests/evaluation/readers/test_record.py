from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.evaluation.readers import record
from gateway.evaluation.readers.record import Record, UnusableDataSet, records_of, text_of, texts_of


@pytest.mark.parametrize(
    ("held", "places"),
    [
        ([{"a": 1}, {"a": 2}], ["cases.json[0]", "cases.json[1]"]),
        ({"a": 1}, ["cases.json"]),
        (b'{\n "a": 1\n}\n', ["cases.json"]),
        (b'\n{"a": 1}\n\n{"a": 2}\n', ["cases.json:1", "cases.json:3"]),
        (b'{"a": 1}\r\n{"a": 2}\r\n', ["cases.json:1", "cases.json:2"]),
        (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', ["cases.json:1", "cases.json:2"]),
        (b'\xef\xbb\xbf[{"a": 1}]', ["cases.json[0]"]),
    ],
)
def test_records_are_read_with_their_places(file_of: Callable[..., Path], held: object, places: list[str]) -> None:
    assert [one.where for one in records_of(file_of(held))] == places


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (b"", "holds no record: give a list"),
        (b"[]", "holds no record"),
        (b'[{"a": 1},\n]', "begins as a JSON list and is none (line 1, column 10)"),
        (b'[{"a": 1}, 2]', "cases.json[1] is no JSON object"),
        (b'{"a": 1}\n[2]', "cases.json:2: this is no JSON object"),
        (b'{"a": 1}\n{"a": ', "cases.json:2: this is no JSON that can be read"),
        (b'{"a": 1, "a": 2}', "cases.json:1: a key stands twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": 1}\n{"a": "\xff"}', "cases.json:2 is not UTF-8: save"),
        (b"hello", "cases.json:1: this is no JSON that can be read; give one JSON object a line"),
    ],
)
def test_what_is_no_records_is_refused_with_its_place(file_of: Callable[..., Path], held: bytes, told: str) -> None:
    with pytest.raises(UnusableDataSet) as refused:
        records_of(file_of(held))
    assert told in str(refused.value)


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableDataSet, match="No such file or directory"):
        records_of(tmp_path / "none.json")
    with pytest.raises(UnusableDataSet, match="it is no regular file"):
        records_of(tmp_path)


def test_sizes_have_bounds(file_of: Callable[..., Path]) -> None:
    with pytest.raises(UnusableDataSet, match="has over 64 MiB: split it"):
        records_of(file_of(b" " * (record.MAX_BYTES + 1)))
    with pytest.raises(UnusableDataSet, match=r"holds 50,001 records, over 50,000: split it"):
        records_of(file_of(b"{}\n" * (record.MAX_RECORDS + 1)))
    longest = Record(where="here", fields={"a": "x" * record.MAX_TEXT})
    assert len(text_of(longest, "a")) == record.MAX_TEXT
    with pytest.raises(UnusableDataSet, match="here: a has 100,001 characters, over 100,000: shorten it"):
        text_of(Record(where="here", fields={"a": "x" * (record.MAX_TEXT + 1)}), "a")


@pytest.mark.parametrize("fields", [{}, {"a": 1}, {"a": None}, {"a": ["x"]}])
def test_what_is_no_text_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UnusableDataSet, match="here: a must be a text"):
        text_of(Record(where="here", fields=fields), "a")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("fields", [{}, {"a": "x"}, {"a": []}, {"a": ["x", 1]}])
def test_what_is_no_list_of_texts_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UnusableDataSet, match="here: a must be a list of texts"):
        texts_of(Record(where="here", fields=fields), "a")  # pyright: ignore[reportArgumentType]


def test_a_list_of_texts_is_read() -> None:
    assert texts_of(Record(where="here", fields={"a": ["x", "y"]}), "a") == ("x", "y")
