import json
from typing import Any, TypeAlias

import pytest

from adapters.litellm.answer import Unreadable
from adapters.litellm.cohere import corrected

Json: TypeAlias = dict[str, Any]
READ: Json = {"id": "l", "usage": {"prompt_tokens": 9}, "choices": [{"message": {"content": None}}]}


def own(*content: Json, finish: object = "COMPLETE", **message: Any) -> bytes:
    said = {"role": "assistant", "content": list(content), **message}
    return json.dumps({"id": "c", "finish_reason": finish, "message": said}).encode()


def test_text_thoughts_calls_and_ending_are_cohere_s_own() -> None:
    thought, text = {"type": "thinking", "thinking": "t"}, {"type": "text", "text": "x"}
    answer = corrected(READ, own(thought, text, text, finish="TOOL_CALL", tool_calls=[{"id": "1"}], tool_plan="p"))
    message = {"content": "xx", "reasoning_content": "p\nt", "tool_calls": [{"id": "1"}], "annotations": None}
    assert answer == {**READ, "id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def test_what_litellm_makes_of_citations_is_kept() -> None:
    read = {**READ, "choices": [{"message": {"annotations": [1]}}]}
    match corrected(read, own())["choices"]:
        case [{"message": {"annotations": notes, "content": None}}]:
            assert notes == [1]
        case other:
            pytest.fail(f"{other}")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("word", "ending"), [("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length")]
)
def test_endings_are_told_in_openais_words(word: str, ending: str) -> None:
    match corrected({}, own(finish=word))["choices"]:
        case [{"finish_reason": told}]:
            assert told == ending
        case other:
            pytest.fail(f"{other}")


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", own(finish="ERROR"), own(finish="TIMEOUT"), own(finish=None), own({"type": "image"})],
)
def test_what_is_no_finished_answer_is_none(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        corrected(READ, raw)
