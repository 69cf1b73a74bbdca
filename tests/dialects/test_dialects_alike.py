"""The same conversation, whatever dialect it is written in: one prompt, and one request to the model's server.

A conversation is thought of without any dialect (``Talk``) and written by one function for each (``WRITTEN``). To add a
dialect, add its function there. What only some dialects have words for has no place here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.registry import compile_reserved, format_named
from gateway.dialects.registry import DIALECTS
from gateway.domain.errors import NotSayable
from gateway.domain.identity import ANONYMOUS
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.model import Model
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest, Options
from gateway.domain.target import FormatOptions
from gateway.pipeline.lift import lift

Json: TypeAlias = dict[str, Any]

MODEL = Model(name="m", targets=())
RESERVED = compile_reserved("all")
FORMATS = ("tool-envelope", "spotlight", "plain", "chat-template-documents", "harmony")
PIXEL = "iVBORw0KGgo="
SCHEMA: Json = {"type": "object", "properties": {"id": {"type": "number", "description": "Its number."}}}


@dataclass(frozen=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data by the client's own word."""

    text: str
    id: str | None = None
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """A document: texts that come from different places of it."""

    text: str
    title: str | None = None
    context: str | None = None


@dataclass(frozen=True, kw_only=True)
class Image:
    content: str = PIXEL


@dataclass(frozen=True, kw_only=True)
class Pdf:
    content: str = PIXEL


Piece: TypeAlias = Text | Data | Page | Image | Pdf


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the operator says; ``first`` alone may stand before the conversation."""

    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user says."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A message that is data as a whole."""

    pieces: tuple[Text | Data | Page, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    id: str
    name: str
    arguments: Json


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What the assistant said and called, and what the tools then said: by call, one text or several."""

    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    results: tuple[tuple[str, ...], ...] = ()
    reasoning: str | None = None


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A conversation; ``options`` are under names of no dialect."""

    turns: tuple[Told | Asked | Given | Answered, ...]
    tools: tuple[str, ...] = ()
    options: Json = field(default_factory=dict[str, Any])
    data: JsonValue = None


def one_or_all(parts: Sequence[Json], texts: Sequence[str]) -> Any:
    """The text itself, where a message holds nothing else."""
    return texts[0] if len(parts) == len(texts) == 1 else list(parts)


# OpenAI's chat completions.
def chat(talk: Talk) -> Json:
    messages: list[Json] = []
    for turn in talk.turns:
        match turn:
            case Told():
                parts = [{"type": "text", "text": text} for text in turn.texts]
                messages.append({"role": "system", "content": one_or_all(parts, turn.texts)})
            case Asked() | Given():
                parts = [part for piece in turn.pieces for part in chat_parts(piece)]
                texts = [piece.text for piece in turn.pieces if isinstance(piece, Text)]
                role = "user" if isinstance(turn, Asked) else "input"
                messages.append({"role": role, "content": one_or_all(parts, texts)})
            case Answered():
                messages += chat_answer(turn)
    body: Json = {"model": "m", "messages": messages, **chat_options(talk.options)}
    if talk.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "description": "Finds.", "parameters": SCHEMA}}
            for name in talk.tools
        ]
    return body if talk.data is None else {**body, "data": talk.data}


def chat_parts(piece: Piece) -> list[Json]:
    match piece:
        case Text():
            return [{"type": "text", "text": piece.text}]
        case Data():
            return [labelled(piece)]
        case Page():
            told = [("document.title", piece.title), ("document.context", piece.context), ("document", piece.text)]
            return [{"type": "data", "origin": origin, "text": text} for origin, text in told if text is not None]
        case Image():
            return [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{piece.content}"}}]
        case Pdf():
            return [{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{piece.content}"}}]


def labelled(piece: Data) -> Json:
    labels = {"id": piece.id, "origin": piece.origin}
    return {"type": "data", "text": piece.text, **{key: held for key, held in labels.items() if held is not None}}


def chat_answer(turn: Answered) -> list[Json]:
    parts = [{"type": "text", "text": text} for text in turn.texts]
    message: Json = {"role": "assistant", "content": one_or_all(parts, turn.texts) if parts else None}
    if turn.reasoning is not None:
        message["reasoning_content"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(call.arguments, separators=(",", ":"), ensure_ascii=False),
                },
            }
            for call in turn.calls
        ]
    results = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": one_or_all([{"type": "text", "text": text} for text in texts], texts),
        }
        for call, texts in zip(turn.calls, turn.results, strict=False)
    ]
    return [message, *results]


def chat_options(options: Json) -> Json:
    names = {"length": "max_tokens", "stops": "stop", "user": "user", "effort": "reasoning_effort"}
    told: Json = {names[name]: held for name, held in options.items() if name in names}
    if "schema" in options:
        form = {"name": "output", "schema": options["schema"], "strict": True}
        told["response_format"] = {"type": "json_schema", "json_schema": form}
    if "tool" in options:
        words = {"any": "required", "none": "none", "auto": "auto"}
        named: Json = {"type": "function", "function": {"name": options["tool"]}}
        told["tool_choice"] = words.get(options["tool"], named)
    if options.get("one_by_one"):
        told["parallel_tool_calls"] = False
    return told


# Anthropic's Messages.
def messages(talk: Talk) -> Json:
    return in_messages(talk, alone=True)


def messages_in_blocks(talk: Talk) -> Json:
    """The same with each text in a list, as SDKs give answers back."""
    return in_messages(talk, alone=False)


def in_messages(talk: Talk, *, alone: bool) -> Json:
    body: Json = {"model": "m", "messages": [], **messages_options(talk.options)}

    def content(blocks: list[Json]) -> Any:
        return blocks[0]["text"] if alone and len(blocks) == 1 and blocks[0]["type"] == "text" else blocks

    results: list[Json] = []
    for number, turn in enumerate(talk.turns):
        if results and not isinstance(turn, Asked):
            body["messages"].append({"role": "user", "content": results})
            results = []
        match turn:
            case Told():
                held = content([{"type": "text", "text": text} for text in turn.texts])
                if number == 0:
                    body["system"] = held
                else:
                    body["messages"].append({"role": "system", "content": held})
            case Asked() | Given():
                blocks = [block for piece in turn.pieces for block in message_blocks(piece)]
                role = "user" if isinstance(turn, Asked) else "input"
                body["messages"].append({"role": role, "content": [*results, *blocks] if results else content(blocks)})
                results = []
            case Answered():
                body["messages"].append({"role": "assistant", "content": content(message_answer(turn))})
                results = message_results(turn, content)
    if results:
        body["messages"].append({"role": "user", "content": results})
    if talk.tools:
        body["tools"] = [{"name": name, "description": "Finds.", "input_schema": SCHEMA} for name in talk.tools]
    return body if talk.data is None else {**body, "data": talk.data}


def message_blocks(piece: Piece) -> list[Json]:
    match piece:
        case Text():
            return [{"type": "text", "text": piece.text}]
        case Data():
            return [labelled(piece)]
        case Page():
            source = {"type": "text", "media_type": "text/plain", "data": piece.text}
            return [{"type": "document", "source": source, "title": piece.title, "context": piece.context}]
        case Image():
            return [{"type": "image", "source": inline("image/png", piece.content)}]
        case Pdf():
            return [{"type": "document", "source": inline("application/pdf", piece.content)}]


def inline(mime: str, content: str) -> Json:
    return {"type": "base64", "media_type": mime, "data": content}


def message_answer(turn: Answered) -> list[Json]:
    thought = [] if turn.reasoning is None else [{"type": "thinking", "thinking": turn.reasoning, "signature": ""}]
    texts = [{"type": "text", "text": text} for text in turn.texts]
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in turn.calls]
    return [*thought, *texts, *calls]


def message_results(turn: Answered, content: Callable[[list[Json]], Any]) -> list[Json]:
    return [
        {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": content([{"type": "text", "text": text} for text in texts]),
        }
        for call, texts in zip(turn.calls, turn.results, strict=False)
    ]


def messages_options(options: Json) -> Json:
    told: Json = {"max_tokens": options["length"]}
    if "stops" in options:
        told["stop_sequences"] = options["stops"]
    if "user" in options:
        told["metadata"] = {"user_id": options["user"]}
    config: Json = {"effort": options["effort"]} if "effort" in options else {}
    if "schema" in options:
        config["format"] = {"type": "json_schema", "schema": options["schema"]}
    if config:
        told["output_config"] = config
    if "tool" in options:
        words = ("any", "none", "auto")
        named: Json = {"type": "tool", "name": options["tool"]}
        choice: Json = {"type": options["tool"]} if options["tool"] in words else named
        told["tool_choice"] = {**choice, "disable_parallel_tool_use": options.get("one_by_one", False)}
        if options["tool"] == "none":
            told["tool_choice"] = choice
    return told


# OpenAI's responses.
def responses(talk: Talk) -> Json:
    items: list[Json] = []
    for turn in talk.turns:
        match turn:
            case Told():
                parts = [input_text(text) for text in turn.texts]
                items.append({"role": "system", "content": one_or_all(parts, turn.texts)})
            case Asked() | Given():
                parts = [part for piece in turn.pieces for part in item_parts(piece)]
                texts = [piece.text for piece in turn.pieces if isinstance(piece, Text)]
                role = "user" if isinstance(turn, Asked) else "input"
                items.append({"role": role, "content": one_or_all(parts, texts)})
            case Answered():
                items += answer_items(turn)
    body: Json = {"model": "m", "input": items, **responses_options(talk.options)}
    if talk.tools:
        body["tools"] = [
            {"type": "function", "name": name, "description": "Finds.", "parameters": SCHEMA} for name in talk.tools
        ]
    return body if talk.data is None else {**body, "data": talk.data}


def input_text(text: str) -> Json:
    return {"type": "input_text", "text": text}


def item_parts(piece: Piece) -> list[Json]:
    match piece:
        case Text():
            return [input_text(piece.text)]
        case Data() | Page():
            return chat_parts(piece)
        case Image():
            return [{"type": "input_image", "image_url": f"data:image/png;base64,{piece.content}"}]
        case Pdf():
            return [{"type": "input_file", "file_data": f"data:application/pdf;base64,{piece.content}"}]


def answer_items(turn: Answered) -> list[Json]:
    items: list[Json] = []
    if turn.reasoning is not None:
        items.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": turn.reasoning}]})
    if turn.texts:
        parts: list[Json] = [{"type": "output_text", "text": text, "annotations": []} for text in turn.texts]
        items.append({"type": "message", "role": "assistant", "content": parts})
    calls = [call["function"] for message in chat_answer(turn)[:1] for call in message.get("tool_calls", ())]
    items += [
        {"type": "function_call", "call_id": call.id, **function}
        for call, function in zip(turn.calls, calls, strict=True)
    ]
    items += [
        {
            "type": "function_call_output",
            "call_id": call.id,
            "output": one_or_all([input_text(text) for text in texts], texts),
        }
        for call, texts in zip(turn.calls, turn.results, strict=False)
    ]
    return items


def responses_options(options: Json) -> Json:
    told: Json = {"max_output_tokens": options["length"]}
    if "user" in options:
        told["user"] = options["user"]
    if "effort" in options:
        told["reasoning"] = {"effort": options["effort"]}
    if "schema" in options:
        form = {"type": "json_schema", "name": "output", "schema": options["schema"], "strict": True}
        told["text"] = {"format": form}
    if "tool" in options:
        words = {"any": "required", "none": "none", "auto": "auto"}
        told["tool_choice"] = words.get(options["tool"], {"type": "function", "name": options["tool"]})
    if options.get("one_by_one"):
        told["parallel_tool_calls"] = False
    return told


# Each way to write a conversation, and the name of its dialect.
WRITTEN: Mapping[str, tuple[str, Callable[[Talk], Json]]] = {
    "chat": ("openai_chat", chat),
    "messages": ("anthropic_messages", messages),
    "messages in blocks": ("anthropic_messages", messages_in_blocks),
    "responses": ("openai_responses", responses),
}


def read(talk: Talk, way: str) -> ClientRequest:
    dialect, write = WRITTEN[way]
    body: JsonObject = json.loads(json.dumps(write(talk)))
    return DIALECTS[dialect].read(body)


def sent(prompt: Prompt, name: str) -> JsonObject | str:
    """What the model's server gets, or what the format cannot say."""
    options = FormatOptions(
        remove_reserved=RESERVED.remove,
        break_reserved=RESERVED.break_json,
        reserved=RESERVED.tokens,
        draw_nonce=lambda: "1f0c9d7be2a84f3da5a6c0b2e7d94813",
        reasoning_field="reasoning_content",
    )
    try:
        return format_named(name).lay_out(prompt, options).body
    except NotSayable as error:
        return error.message


def asked(request: ClientRequest) -> Options:
    """How the answer is to be: chat has two names for its length, and the dialects differ in which they mean."""
    names = {"max_completion_tokens": "max_tokens"}
    values = {names.get(name, name): held for name, held in request.options.values.items()}
    return replace(request.options, values=values)


def assert_alike(talk: Talk, ways: Iterable[str] = WRITTEN) -> None:
    first, *others = [read(talk, way) for way in ways]
    prompt = lift(first, MODEL, ANONYMOUS)
    for other in others:
        assert lift(other, MODEL, ANONYMOUS) == prompt
        assert (asked(other), other.subject) == (asked(first), first.subject)
    bodies = [[sent(lift(one, MODEL, ANONYMOUS), name) for name in FORMATS] for one in (first, *others)]
    assert all(body == bodies[0] for body in bodies)


LOOK = Call(id="call_1", name="look_up", arguments={"id": 4711, "of": ["ü", 1.5, None, {"a": True}]})
READ = Call(id="call_2", name="read", arguments={})
USER = Asked(pieces=(Text(text="What do they say?"),))
TALKS: Mapping[str, Talk] = {
    "a question": Talk(turns=(USER,)),
    "system as a text": Talk(turns=(Told(texts=("Be brief.",)), USER)),
    "system in blocks": Talk(turns=(Told(texts=("Be brief.", "Be polite.")), USER)),
    "a system message in the middle": Talk(turns=(USER, Answered(texts=("Yes.",)), Told(texts=("In French.",)), USER)),
    "several texts": Talk(turns=(Asked(pieces=(Text(text="One."), Text(text="Two."))),)),
    "turns": Talk(turns=(USER, Answered(texts=("They say so.",)), USER)),
    "an answer in several texts": Talk(turns=(USER, Answered(texts=("One.", "Two.")), USER)),
    "reasoning": Talk(turns=(USER, Answered(texts=("Yes.",), reasoning="Hm. So."), USER)),
    "data beside the question": Talk(
        turns=(Asked(pieces=(Text(text="Sum up."), Data(text="Ignore it.", id="mail-17", origin="email"))),)
    ),
    "data alone": Talk(turns=(USER, Asked(pieces=(Data(text="x"),)))),
    "a message of data": Talk(turns=(USER, Given(pieces=(Text(text="A page."),)))),
    "data of the request": Talk(turns=(USER, Answered(texts=("Yes.",)), USER), data=[{"id": "d", "text": "More."}]),
    "an image": Talk(turns=(Asked(pieces=(Text(text="What is this?"), Image())),)),
    "an image alone": Talk(turns=(USER, Asked(pieces=(Image(),)))),
    "a document": Talk(turns=(Asked(pieces=(Page(text="Pay at once."), Text(text="Sum up."))),)),
    "a document with a title": Talk(
        turns=(Asked(pieces=(Page(text="Pay.", title="Terms", context="From the archive."), Text(text="Sum up."))),)
    ),
    "a document of bytes": Talk(turns=(Asked(pieces=(Pdf(), Text(text="Sum up."))),)),
    "marks of another system": Talk(turns=(Asked(pieces=(Text(text="Sum up <documents>x</documents>"),)),)),
    "a call and its result": Talk(
        turns=(USER, Answered(calls=(LOOK,), results=(("Order 4711",),)), USER), tools=("look_up",)
    ),
    "words before a call": Talk(
        turns=(USER, Answered(texts=("Let me see.",), calls=(LOOK,), results=(("Order 4711",),))), tools=("look_up",)
    ),
    "calls side by side": Talk(
        turns=(
            USER,
            Answered(calls=(LOOK, READ), results=(("Order 4711",), ("One.", "Two.")), reasoning="Both."),
            Answered(calls=(Call(id="call_3", name="read", arguments={"of": "x"}),), results=(("",),)),
            Asked(pieces=(Text(text="And?"), Data(text="y", origin="web"))),
        ),
        tools=("look_up", "read"),
        data="More.",
    ),
    "what is asked of the answer": Talk(
        turns=(USER,),
        tools=("look_up",),
        options={"user": "u-1", "effort": "low", "schema": SCHEMA, "tool": "look_up", "one_by_one": True},
    ),
    "any tool": Talk(turns=(USER,), tools=("look_up",), options={"tool": "any"}),
    "no tool": Talk(turns=(USER,), tools=("look_up",), options={"tool": "none"}),
    "tools as the model likes": Talk(turns=(USER,), tools=("look_up",), options={"tool": "auto"}),
}  # fmt: skip


def with_length(talk: Talk) -> Talk:
    """Some dialects ask for one."""
    return Talk(turns=talk.turns, tools=talk.tools, data=talk.data, options={"length": 100, **talk.options})


@pytest.mark.rows
@pytest.mark.parametrize("name", TALKS)
def test_a_conversation_is_the_same_in_every_dialect(name: str) -> None:
    assert_alike(with_length(TALKS[name]))


def test_where_to_stop_is_the_same_in_every_dialect_that_can_say_it() -> None:
    talk = with_length(Talk(turns=(USER,), options={"stops": ["END"]}))
    assert_alike(talk, [way for way in WRITTEN if way != "responses"])
    assert read(talk, "messages").options.values["stop"] == ["END"]


def test_every_format_says_most_of_it() -> None:
    said = [sent(lift(read(with_length(talk), "chat"), MODEL, ANONYMOUS), "plain") for talk in TALKS.values()]
    assert not [body for body in said if isinstance(body, str)]


def test_another_conversation_is_another_prompt() -> None:
    one, other = (with_length(TALKS[name]) for name in ("several texts", "a question"))
    prompts = [lift(read(talk, way), MODEL, ANONYMOUS) for talk, way in ((one, "chat"), (other, "messages"))]
    assert prompts[0] != prompts[1]


WORDS = st.text(max_size=12)
NAMES = st.sampled_from(("look_up", "read"))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS, lambda inner: st.lists(inner, max_size=2)
)
ARGUMENTS = st.dictionaries(WORDS, VALUES, max_size=3)
TEXT = st.builds(Text, text=WORDS)
DATA = st.builds(Data, text=WORDS, origin=st.none() | st.just("web"))
SAID = st.text(min_size=1, max_size=12)
PAGE = st.builds(Page, text=WORDS, title=st.none() | SAID, context=st.none() | SAID)
PIECES: st.SearchStrategy[Piece] = st.one_of(TEXT, DATA, PAGE, st.just(Image()), st.just(Pdf()))
TOLD = st.builds(Told, texts=st.lists(WORDS, min_size=1, max_size=2).map(tuple))
ASKED = st.builds(Asked, pieces=st.lists(PIECES, min_size=1, max_size=3).map(tuple))
GIVEN = st.builds(Given, pieces=st.lists(st.one_of(TEXT, DATA, PAGE), min_size=1, max_size=2).map(tuple))
RESULT = st.lists(WORDS, min_size=1, max_size=2).map(tuple)


@st.composite
def answers(draw: st.DrawFn) -> Answered:
    calls = [
        Call(id=f"c{number}", name=draw(NAMES), arguments=draw(ARGUMENTS)) for number in range(draw(st.integers(0, 2)))
    ]
    return Answered(
        texts=tuple(draw(st.lists(WORDS, min_size=0 if calls else 1, max_size=2))),
        calls=tuple(calls),
        results=tuple([draw(RESULT) for _ in calls]),
        reasoning=draw(st.none() | SAID),
    )


def apart(turns: Sequence[object]) -> bool:
    """Whether each answer is one of its own as items: calls right behind what was said are of the same answer."""
    return not any(
        isinstance(one, Answered) and isinstance(other, Answered) and not one.calls and not other.texts
        for one, other in pairwise(turns)
    )


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    turns = draw(st.lists(st.one_of(TOLD, ASKED, GIVEN, answers()), max_size=5).filter(apart))
    data = draw(st.none() | st.lists(st.fixed_dictionaries({"text": WORDS}), min_size=1, max_size=2))
    return Talk(turns=(*turns, draw(ASKED)), tools=("look_up", "read"), options={"length": 100}, data=data)


@given(talks())
def test_any_conversation_is_the_same_in_every_dialect(talk: Talk) -> None:
    assert_alike(talk)
