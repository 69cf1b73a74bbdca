"""What a request is taken to come to, and whom to believe afterwards."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import (
    GatewayError,
    NotSayable,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.exchange import (
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    Reply,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.limits import FREE, Price
from gateway.domain.operation import Operation
from gateway.domain.prompt import MediaKind, Seal, Tool, ToolCall
from gateway.domain.request import ClientRequest, DataPart, MediaPart, Message, Options, Part, Role, TextPart
from gateway.pipeline.usage import (
    MOST_TOKENS,
    Tokens,
    believed,
    bills_nothing,
    dearest,
    estimate,
    size_of,
    size_of_reply,
)


def asked(*parts: Part, tools: tuple[Tool, ...] = ()) -> ClientRequest:
    message = Message(role=Role.USER, parts=parts, path="p")
    return ClientRequest(dialect="split", model="m", messages=(message,), tools=tools)


def text(content: str) -> TextPart:
    return TextPart(text=content, path="p")


def media(kind: MediaKind, content: str) -> MediaPart:
    return MediaPart(kind=kind, mime="x", content=content, path="p", attributes={})


def input_of(*parts: Part, tools: tuple[Tool, ...] = ()) -> int:
    return estimate(asked(*parts, tools=tools), Operation.CHAT, 1).input


def test_three_bytes_of_text_are_a_token() -> None:
    assert input_of(text("x" * 300)) - input_of(text("")) == 100
    assert input_of(text("é" * 300)) - input_of(text("")) == 200
    assert input_of(DataPart(text="x" * 300, path="p")) == input_of(text("x" * 300))
    assert input_of(text("\ud800")) > 0


def test_an_image_is_so_many_whatever_its_size_and_other_files_grow() -> None:
    small, large = media(MediaKind.IMAGE, "x"), media(MediaKind.IMAGE, "x" * 10**6)
    assert input_of(small) == input_of(large) >= 1_600
    assert input_of(media(MediaKind.FILE, "x")) == input_of(small)
    assert input_of(media(MediaKind.FILE, "x" * 10**6)) > 30_000


def test_what_stands_beside_texts_counts_too() -> None:
    call = Message(
        role=Role.ASSISTANT,
        parts=(),
        path="p",
        tool_calls=(ToolCall(id="c", name="n", arguments="x" * 300),),
        reasoning="x" * 300,
    )
    turns = ClientRequest(dialect="split", model="m", messages=(call,))
    assert estimate(turns, Operation.CHAT, 1).input >= 200
    tool = Tool(name="n", description="x" * 300, parameters={"type": "object"})
    assert input_of(text(""), tools=(tool,)) - input_of(text("")) >= 100


@pytest.mark.parametrize("name", ["response_format", "prediction"])
def test_what_vendors_put_into_the_prompt_counts_wherever_it_stands(name: str) -> None:
    def input_with(values: dict[str, JsonValue]) -> int:
        return estimate(replace(asked(text("x")), options=Options(values=values)), Operation.CHAT, 1).input

    schema: JsonValue = {"type": "json_schema", "json_schema": {"description": "é" * 300}}
    assert input_with({name: schema}) - input_with({}) >= 200
    # Labels are for the provider's records, and never part of the prompt.
    assert input_with({"metadata": {"a": "x" * 300}, name: None}) == input_with({})


@pytest.mark.parametrize(("hidden", "least"), [(True, 100), (False, 0)])
def test_reasoning_that_only_the_vendor_reads_counts_and_a_signature_does_not(hidden: bool, least: int) -> None:
    sealed = Message(role=Role.ASSISTANT, parts=(), path="p", seals=(Seal(length=0, token="x" * 300, hidden=hidden),))
    turns = ClientRequest(dialect="split", model="m", messages=(sealed,))
    counted = estimate(turns, Operation.CHAT, 1).input
    assert least <= counted < least + 10


@pytest.mark.rows
@pytest.mark.parametrize(
    ("values", "output"),
    [
        ({}, 7),
        ({"max_tokens": 20}, 20),
        ({"max_completion_tokens": 30}, 30),
        ({"max_tokens": 20, "max_completion_tokens": 30}, 30),
        ({"n": 3}, 21),
        ({"n": 3, "max_tokens": 20}, 60),
        ({"max_tokens": 2**62}, MOST_TOKENS),
    ],
)
def test_an_answer_is_as_long_as_it_may_be(values: dict[str, JsonValue], output: int) -> None:
    asked_for = replace(asked(text("x")), options=Options(values=values))
    assert estimate(asked_for, Operation.CHAT, 7).output == output


def test_vectors_are_no_tokens() -> None:
    assert estimate(asked(text("x")), Operation.EMBED, 7).output == 0


def usage(input_tokens: int, output_tokens: int = 1, **details: JsonValue) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, details=details)


@pytest.mark.rows
@pytest.mark.parametrize(
    "told",
    [
        None,
        usage(0),
        usage(-5),
        usage(5, -1),
        usage(MOST_TOKENS + 1),
        usage(5, MOST_TOKENS + 1),
        usage(2**70, 2**70),
    ],
)
def test_a_count_that_cannot_be_is_none(told: Usage | None) -> None:
    assert believed(told) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        (usage(1, 0), Tokens(input=1, output=0)),
        (usage(MOST_TOKENS, MOST_TOKENS), Tokens(input=MOST_TOKENS, output=MOST_TOKENS)),
        (usage(9, prompt_tokens_details={"cached_tokens": 4}), Tokens(input=9, output=1, cached=4)),
        (
            usage(9, prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 5}),
            Tokens(input=9, output=1, cached=4, written=5),
        ),
        (usage(9, prompt_tokens_details={"cached_tokens": 10}), Tokens(input=9, output=1)),
        (usage(9, prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 6}), Tokens(input=9, output=1)),
        (usage(9, prompt_tokens_details={"cached_tokens": -4}), Tokens(input=9, output=1)),
        (usage(9, prompt_tokens_details={"cached_tokens": True}), Tokens(input=9, output=1)),
        (usage(9, prompt_tokens_details={"cached_tokens": "4"}), Tokens(input=9, output=1)),
        (usage(9, prompt_tokens_details=[4]), Tokens(input=9, output=1)),
    ],
)
def test_any_other_is_believed_with_what_a_cache_gave_of_it(told: Usage, tokens: Tokens) -> None:
    assert believed(told) == tokens


PRICE = Price(input=2_000_000, output=10_000_000, cached_input=200_000, cache_write=2_500_000)


def test_cached_tokens_cost_what_they_cost() -> None:
    assert Tokens(input=1_000_000, output=0).cost(PRICE) == 2_000_000
    assert Tokens(input=1_000_000, output=0, cached=1_000_000).cost(PRICE) == 200_000
    assert Tokens(input=1_000_000, output=1_000, written=1_000_000).cost(PRICE) == 2_510_000


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_dearest_price_is_the_one_that_comes_to_most(input_tokens: int, output_tokens: int) -> None:
    tokens = Tokens(input=input_tokens, output=output_tokens)
    other = Price(input=8_000_000, output=1_000_000, cached_input=0, cache_write=0)
    assert dearest((PRICE, other, FREE), tokens) == max(tokens.cost(PRICE), tokens.cost(other))


def test_without_prices_nothing_costs() -> None:
    assert dearest((), Tokens(input=5, output=5)) == 0


@pytest.mark.rows
@pytest.mark.parametrize(
    ("event", "size"),
    [
        (TextDelta(choice=0, text="four"), 4),
        (TextDelta(choice=0, text="é"), 2),
        (ReasoningDelta(choice=0, text="four"), 4),
        (RefusalDelta(choice=0, text="four"), 4),
        (ToolCallDelta(choice=0, index=0, arguments="four"), 4),
        (ReasoningSealed(choice=0, seal=Seal(length=0, token="four", hidden=True)), 4),
        (ReasoningSealed(choice=0, seal=Seal(length=4, token="four")), 0),
        (Finish(choice=0, reason="stop"), 0),
    ],
)
def test_all_that_a_model_says_has_a_size(event: StreamEvent, size: int) -> None:
    assert size_of(event) == size


def test_a_whole_answer_has_the_size_of_its_parts() -> None:
    call = ToolCall(id="c", name="n", arguments="four")
    choice = Choice(index=0, text="four", finish_reason="stop", refusal="four", reasoning="four", tool_calls=(call,))
    empty = Choice(index=1, text=None, finish_reason="stop")
    assert size_of_reply(Reply(id="r", model="m", created=1, choices=(choice, empty))) == 16


@pytest.mark.rows
@pytest.mark.parametrize(
    "error",
    [
        NotSayable("m"),
        UpstreamUnreachable("m", target="t"),
        UpstreamOverloaded("m", target="t", retry_after=None),
        UpstreamRejected("m", target="t", status=400, reason=None),
        UpstreamFailed("m", target="t"),
        UpstreamTimeout("m", target="t", phase="connect"),
    ],
)
def test_what_was_refused_at_once_bills_nothing(error: GatewayError) -> None:
    assert bills_nothing(error)


@pytest.mark.rows
@pytest.mark.parametrize(
    "error",
    [
        UpstreamGarbled("m", target="t"),
        UpstreamTimeout("m", target="t", phase="first_byte"),
        UpstreamTimeout("m", target="t", phase="total"),
        GatewayError("m"),
    ],
)
def test_what_may_have_been_done_may_be_billed(error: GatewayError) -> None:
    assert not bills_nothing(error)
