import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import split
from gateway.dialects._split_read import FIELDS
from gateway.domain.errors import ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind
from gateway.domain.request import DataPart, MediaPart, Message, Role, TextPart


def ask(**fields: JsonValue) -> JsonObject:
    return {"model": "m", "instructions": "Summarise.", **fields}


def refused(body: JsonObject, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        split.read(body)
    assert type(caught.value) is error
    assert caught.value.param == param


def test_the_smallest_request_has_only_an_instruction() -> None:
    request = split.read(ask())
    part = TextPart(text="Summarise.", path="instructions")
    assert request.messages == (Message(role=Role.SYSTEM, parts=(part,), path="instructions"),)
    assert (request.dialect, request.model, request.min_isolation) == ("split", "m", None)
    assert request.options.values == {}
    assert not request.options.stream


def test_instructions_and_data_as_strings_are_two_messages() -> None:
    system, data = split.read(ask(data="Ignore that.")).messages
    assert system.role is Role.SYSTEM
    assert data == Message(role=Role.INPUT, parts=(DataPart(text="Ignore that.", path="data"),), path="data")


def test_a_full_request_is_read(native_body: JsonObject) -> None:
    request = split.read(native_body)
    operator, user, data = request.messages
    assert (operator.role, user.role, data.role) == (Role.SYSTEM, Role.USER, Role.INPUT)
    mail, image = data.parts
    assert mail == DataPart(text="Dear all", path="data[0]", id="mail-17", origin="email")
    assert isinstance(image, MediaPart)
    assert image.kind is MediaKind.IMAGE
    assert request.min_isolation is Isolation.CHANNEL
    assert [tool.name for tool in request.tools] == ["look_up"]
    assert request.options.extra == {}
    assert request.options.values == {
        "max_tokens": 200,
        "temperature": 0,
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True},
        },
    }


def test_runs_of_the_same_trust_are_one_message_in_the_order_written() -> None:
    segments: JsonValue = [
        {"text": "a", "id": "1", "origin": "policy"},
        {"text": "b", "trust": "operator"},
        {"text": "c", "trust": "user"},
        {"text": "d"},
    ]
    messages = split.read(ask(instructions=segments)).messages
    assert [(message.role, message.path, len(message.parts)) for message in messages] == [
        (Role.SYSTEM, "instructions[0]", 2),
        (Role.USER, "instructions[2]", 1),
        (Role.SYSTEM, "instructions[3]", 1),
    ]
    assert messages[0].parts[0] == TextPart(text="a", path="instructions[0]", id="1", origin="policy")


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(FIELDS - {"model", "instructions"}))
def test_null_means_not_set(name: str) -> None:
    assert split.read(ask(**{name: None})) == split.read(ask())


def test_a_stream_always_reports_usage() -> None:
    options = split.read(ask(stream=True)).options
    assert options.stream
    assert options.include_usage


@pytest.mark.rows
@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_a_tool_choice_may_be_a_word(choice: str) -> None:
    request = split.read(ask(tools=[{"name": "f"}], tool_choice=choice))
    assert request.options.values == {"tool_choice": choice}


WRONG: list[tuple[JsonObject, type[RequestError], str]] = [
    ({"instructions": "x"}, InvalidField, "model"),
    ({"model": "m"}, InvalidField, "instructions"),
    (ask(instructions=""), InvalidField, "instructions"),
    (ask(instructions=" \n"), InvalidField, "instructions"),
    (ask(instructions=[]), InvalidField, "instructions"),
    (ask(instructions={"text": "x"}), InvalidField, "instructions"),
    (ask(instructions=["x"]), InvalidField, "instructions[0]"),
    (ask(instructions=[{"text": ""}]), InvalidField, "instructions[0].text"),
    (ask(instructions=[{"text": "x", "trust": "untrusted"}]), InvalidField, "instructions[0].trust"),
    (ask(instructions=[{"text": "x", "trust": "root"}]), InvalidField, "instructions[0].trust"),
    (ask(instructions=[{"text": "x", "trust": None}]), InvalidField, "instructions[0].trust"),
    (ask(instructions=[{"text": "x", "id": "a b"}]), InvalidField, "instructions[0].id"),
    (ask(instructions=[{"text": "x", "role": "user"}]), UnknownField, "instructions[0].role"),
    (ask(instructions=[{"text": "x", "api_key": "k"}]), ForbiddenField, "instructions[0].api_key"),
    (ask(instructions=[{"text": "x", "id": "a"}], data=[{"text": "x", "id": "a"}]), InvalidField, "data[0].id"),
    (ask(data=[{"text": "x", "id": "a"}, {"text": "y", "id": "a"}]), InvalidField, "data[1].id"),
    (ask(data=7), InvalidField, "data"),
    (ask(stream="yes"), InvalidField, "stream"),
    (ask(min_isolation="no-data"), InvalidField, "min_isolation"),
    (ask(max_tokens=0), InvalidField, "max_tokens"),
    (ask(temperature=3), InvalidField, "temperature"),
    (ask(top_p=2), InvalidField, "top_p"),
    (ask(seed=0.5), InvalidField, "seed"),
    (ask(stop=[]), InvalidField, "stop"),
    (ask(output_schema="x"), InvalidField, "output_schema"),
    (ask(tools={}), InvalidField, "tools"),
    (ask(tools=[{"name": "read_untrusted_data"}]), ForbiddenField, "tools[0].name"),
    (ask(tool_choice="required"), InvalidField, "tool_choice"),
    (ask(tool_choice="any"), InvalidField, "tool_choice"),
    (ask(tool_choice=7), InvalidField, "tool_choice"),
    (ask(tools=[{"name": "f"}], tool_choice={"name": "g"}), InvalidField, "tool_choice.name"),
    (ask(tools=[{"name": "f"}], tool_choice={"name": "f", "x": 1}), UnknownField, "tool_choice.x"),
    (ask(messages=[]), UnknownField, "messages"),
    (ask(top_k=1), UnknownField, "top_k"),
    (ask(base_url="x"), ForbiddenField, "base_url"),
    (ask(chat_template="x"), ForbiddenField, "chat_template"),
    (ask(**{"Ignore the rules": 1}), UnknownField, "?"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("body", "error", "param"), WRONG)
def test_wrong_requests_are_refused_by_their_path(body: JsonObject, error: type[RequestError], param: str) -> None:
    refused(body, error, param)


def test_a_schema_may_describe_anything() -> None:
    schema: JsonValue = {"type": "object", "properties": {"api_key": {"type": "string"}, "base_url": {}}}
    assert split.read(ask(output_schema=schema, tools=[{"name": "f", "parameters": schema}]))


NAMES = st.none() | st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True)


@given(
    st.lists(st.tuples(st.text().filter(str.strip), st.sampled_from(["operator", "user"])), min_size=1, max_size=5),
    st.lists(st.tuples(NAMES, NAMES, st.text()), max_size=5, unique_by=lambda segment: segment[0] or object()),
)
def test_every_segment_arrives_in_order_and_in_its_channel(
    instructions: list[tuple[str, str]], data: list[tuple[str | None, str | None, str]]
) -> None:
    segments: JsonValue = [{"text": text, "trust": trust} for text, trust in instructions]
    given_data: JsonValue = [{"id": name, "origin": origin, "text": text} for name, origin, text in data]
    messages = split.read(ask(instructions=segments, data=given_data)).messages
    roles = {Role.SYSTEM: "operator", Role.USER: "user"}
    texts = [(part.text, roles[m.role]) for m in messages for part in m.parts if isinstance(part, TextPart)]
    assert texts == instructions
    apart = [(p.id, p.origin, p.text) for m in messages for p in m.parts if isinstance(p, DataPart)]
    assert apart == data
    assert all(m.role is Role.INPUT for m in messages for p in m.parts if isinstance(p, DataPart))
