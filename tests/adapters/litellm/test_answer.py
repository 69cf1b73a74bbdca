from typing import Any, TypeAlias

import pytest

from adapters.litellm.answer import Unreadable, embeddings, finishes, in_pieces, piece, whole

Json: TypeAlias = dict[str, Any]
CALL: Json = {
    "id": "call_1__thought__U0lH", "index": 3, "type": "function", "provider_specific_fields": {"x": 1},
    "function": {"name": "f", "arguments": "{}"},
}  # fmt: skip
ANSWER: Json = {
    "id": "i", "created": 5, "model": "m", "object": "chat.completion", "vertex_ai_safety_results": [],
    "choices": [{
        "index": 0, "finish_reason": "tool_calls", "provider_specific_fields": {},
        "message": {
            "role": "assistant", "content": "c", "reasoning_content": "r", "images": [], "tool_calls": [CALL],
            "thinking_blocks": [], "annotations": [{"type": "url_citation"}],
        },
    }],
    "usage": {
        "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0.1, "cache_read_input_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 2, "text_tokens": 7}, "completion_tokens_details": None,
    },
}  # fmt: skip
SAID: Json = {
    "role": "assistant", "content": "c", "reasoning_content": "r", "annotations": [{"type": "url_citation"}],
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}  # fmt: skip


def test_an_answer_holds_openais_fields_and_no_others() -> None:
    assert whole(ANSWER) == {
        "id": "i", "object": "chat.completion", "created": 5, "model": "m",
        "choices": [{"index": 0, "message": SAID, "finish_reason": "tool_calls", "logprobs": None}],
        "usage": {
            "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    }  # fmt: skip


def test_so_does_a_chunk_which_numbers_its_calls() -> None:
    chunk = {**ANSWER, "usage": None, "choices": [{"index": 1, "delta": {"content": "", "tool_calls": [CALL]}}]}
    told = piece(chunk)
    assert told["choices"] == [
        {
            "index": 1, "finish_reason": None, "logprobs": None,
            "delta": {"content": "", "tool_calls": [{**SAID["tool_calls"][0], "index": 3}]},
        }
    ]  # fmt: skip
    assert "usage" not in told
    assert not finishes(told)
    assert finishes(piece({"choices": [{"delta": {}, "finish_reason": "stop"}]}))


@pytest.mark.rows
@pytest.mark.parametrize(
    "held", [{"audio": {"data": "x"}}, {"images": [{"url": "x"}]}, {"function_call": {"name": "f"}}]
)
def test_content_of_another_kind_makes_an_answer_unreadable(held: Json) -> None:
    with pytest.raises(Unreadable):
        whole({"choices": [{"message": {"content": "c", **held}}]})
    with pytest.raises(Unreadable):
        piece({"choices": [{"delta": held}]})


def test_a_whole_answer_can_be_told_in_pieces() -> None:
    pieces: list[Any] = in_pieces(whole(ANSWER))
    said, end, usage = pieces
    assert {said["object"], end["object"], usage["object"]} == {"chat.completion.chunk"}
    assert said["choices"][0]["delta"]["content"] == "c"
    assert said["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **SAID["tool_calls"][0]}]
    assert (finishes(said), finishes(end)) == (False, True)
    assert usage["usage"] == whole(ANSWER)["usage"]
    assert len(in_pieces(whole({**ANSWER, "usage": None}))) == 2


def test_embeddings_are_numbered_anew() -> None:
    answer = {"data": [{"embedding": [1.0], "index": 7}, {"embedding": [2.0]}], "usage": {"prompt_tokens": 3}}
    assert embeddings(answer, "m") == {
        "object": "list", "model": "m",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0]},
            {"object": "embedding", "index": 1, "embedding": [2.0]},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 0},
    }  # fmt: skip
