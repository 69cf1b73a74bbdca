"""What Azure's filters say in a stream: choices without a delta, and endings that overrule the model's."""

import pytest

from adapters.providers._openai_stream import ChunkReader
from adapters.providers._shape import Misshapen
from gateway.domain.exchange import Finish, Started, StreamEvent, TextDelta, Usage, UsageReport
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.target import Endpoint

STARTED = Started(id="", model="", created=0)


def delta(content: JsonObject, *, index: int = 0, finish: str | None = None) -> dict[str, JsonValue]:
    return {"choices": [{"index": index, "delta": content, "finish_reason": finish}]}


def read(*chunks: JsonObject) -> list[StreamEvent]:
    reader = ChunkReader(target="primary", endpoint=Endpoint.CHAT)
    return [event for chunk in chunks for event in reader.feed(chunk)]


def annotation(finish: str | None = None, *, index: int = 0) -> dict[str, JsonValue]:
    """What Azure's asynchronous filter says of a choice."""
    results: JsonObject = {"hate": {"filtered": finish is not None}}
    return {"id": "", "choices": [{"index": index, "finish_reason": finish, "content_filter_results": results}]}


def late(*chunks: JsonObject, endpoint: Endpoint = Endpoint.CHAT) -> list[StreamEvent]:
    reader = ChunkReader(target="primary", endpoint=endpoint, asked=2, late_endings=True)
    fed = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*fed, *reader.finish()]


def test_a_filters_word_is_no_start_and_says_nothing() -> None:
    text: JsonObject = {"id": "c", **delta({"content": "a"}, finish="stop")}
    assert read(annotation(), text, annotation()) == [
        Started(id="c", model="", created=0),
        TextDelta(choice=0, text="a"),
        Finish(choice=0, reason="stop"),
    ]
    text = {"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}
    assert late(annotation(), text, annotation(), endpoint=Endpoint.COMPLETIONS) == [
        STARTED,
        TextDelta(choice=0, text="a"),
        Finish(choice=0, reason="stop"),
    ]


@pytest.mark.rows
@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize("bare", [{}, {"content_filter_results": None}, {"content_filter_results": []}])
def test_a_choice_without_anything_is_a_filters_word_only_with_its_results(
    endpoint: Endpoint, bare: JsonObject
) -> None:
    with pytest.raises(Misshapen):
        ChunkReader(target="primary", endpoint=endpoint).feed({"choices": [{"index": 0, **bare}]})


def test_a_filter_ends_a_choice() -> None:
    assert read(delta({"content": "a"}), annotation("content_filter"))[-1] == Finish(choice=0, reason="content_filter")


def test_an_ending_that_may_change_is_told_last_and_once() -> None:
    usage: JsonObject = {"prompt_tokens": 1}
    chunks = [delta({"content": "a"}, finish="stop"), annotation("content_filter"), annotation("stop")]
    assert late(*chunks, {"choices": [], "usage": usage}) == [
        STARTED,
        TextDelta(choice=0, text="a"),
        Finish(choice=0, reason="content_filter"),
        UsageReport(usage=Usage(input_tokens=1, output_tokens=0)),
    ]


def test_a_filter_overrules_the_choice_that_it_names_and_no_other() -> None:
    ended = [delta({"content": "a"}, index=index, finish="stop") for index in (0, 1)]
    assert late(*ended, annotation("content_filter", index=1))[-2:] == [
        Finish(choice=0, reason="stop"),
        Finish(choice=1, reason="content_filter"),
    ]


def test_content_after_an_ending_that_may_change_is_refused() -> None:
    with pytest.raises(Misshapen, match="goes on"):
        late(delta({"content": "a"}, finish="stop"), delta({"content": "b"}))
