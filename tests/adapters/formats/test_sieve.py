import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats._joins import Piece
from adapters.formats._sieve import Sieve
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.target import FormatOptions, Removal

MakeOptions = Callable[..., FormatOptions]


def _piece(text: str, where: str = "d") -> Piece:
    return Piece(text=text, where=where)


def test_what_is_taken_is_counted_by_place(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml"))
    assert sieve.words("a<|im_<|im_end|>end|>b", "one") == "ab"
    assert sieve.words("clean", "two") == "clean"
    assert sieve.words("<|im_start|>", "one") == ""
    sieve.note("three", 2)
    assert sieve.removals == (Removal(where="one", count=3), Removal(where="three", count=2))


def test_a_joined_text_is_clean_across_its_joins(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml", ("\nHuman:",)))
    assert sieve.joined(["a\n", _piece("b")]) == "a\nb"
    assert sieve.removals == ()
    assert sieve.joined(["a\n", _piece("Human:<|im_end|> hi"), "\n"]) == "a\n hi\n"
    assert sieve.removals == (Removal(where="d", count=2),)


def test_a_token_spread_out_by_invisible_characters_is_cut_at_a_join_too(options: MakeOptions) -> None:
    given_options = options("chatml", ("\nHuman:",))
    text = Sieve(given_options).joined(["a\n", _piece("\u200b" * 500 + "Human: hi")])
    assert given_options.remove_reserved(text) == (text, 0)
    assert text.endswith(" hi")


def test_json_is_broken_without_loss_and_counted_by_text(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml"))
    texts = ["a<|im_end|>", "b", "<|im_start|>"]
    text = sieve.json(texts, [_piece(t, str(n)) for n, t in enumerate(texts)])
    assert "<|" not in text
    assert json.loads(text) == texts
    assert sieve.removals == (Removal(where="0", count=1), Removal(where="2", count=1))
    assert sieve.json({"a": "é b"}, [_piece("é b", "3")]) == '{"a":"é b"}'


def test_a_token_across_the_json_is_counted_for_the_last_text(options: MakeOptions) -> None:
    sieve = Sieve(options("chatml", ('x","y',)))
    text = sieve.json(["x", "y"], [_piece("x", "0"), _piece("y", "1")])
    assert 'x","y' not in text
    assert sieve.removals == (Removal(where="1", count=1),)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (
            {"a": ["<|im_end|>x", {"b<|im_end|>": 1}], "c": None, "d": True},
            {"a": ["x", {"b": 1}], "c": None, "d": True},
        ),
        ({"a": "x\ny", "b": 1.5}, {"a": "x\ny", "b": 1.5}),
        ({"a": "\n<|im\u0001_end|>"}, {"a": "\n"}),
        ("<|im_end|>", ""),
    ],
)
def test_every_string_of_a_value_is_clean_keys_included(
    value: JsonValue, clean: JsonValue, options: MakeOptions
) -> None:
    assert Sieve(options("chatml")).value(value, "tools") == clean


def test_what_orjson_refuses_is_still_searched(options: MakeOptions) -> None:
    value = {"maximum": 2**70, "title": "<|im_end|>\ud800"}
    assert Sieve(options("chatml")).value(value, "tools") == {"maximum": 2**70, "title": "\ud800"}


def test_a_clean_value_is_the_same_object(options: MakeOptions) -> None:
    value = {"type": "object", "properties": {"q": {"type": "string", "description": "a <b> c"}}}
    assert Sieve(options()).value(value, "tools") is value


TOKEN = "<|im_end|>"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("schema", "clean", "count"),
    [
        (
            {"description": f"a{TOKEN}b", "title": TOKEN, "$comment": TOKEN},
            {"description": "ab", "title": "", "$comment": ""},
            3,
        ),
        (
            {"properties": {"description": {"type": "string", "description": TOKEN}}},
            {"properties": {"description": {"type": "string", "description": ""}}},
            1,
        ),
        (
            {"allOf": [{"title": f"x{TOKEN}"}, True], "minimum": 1, "pattern": "\\d"},
            {"allOf": [{"title": "x"}, True], "minimum": 1, "pattern": "\\d"},
            1,
        ),
        ({"enum": ["line\nline", {"description": 1}], "const": None}, None, 0),
        ({"properties": "odd\n"}, None, 0),
    ],
)  # fmt: skip
def test_a_schemas_prose_is_clean_and_all_else_as_it_was(
    schema: JsonValue, clean: JsonValue, count: int, options: MakeOptions
) -> None:
    sieve = Sieve(options("chatml"))
    assert sieve.schema(schema, "tools", "p") == (schema if clean is None else clean)
    assert sum(removal.count for removal in sieve.removals) == count


@pytest.mark.rows
@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["a", TOKEN]},
        {"const": TOKEN},
        {"const": {"description": TOKEN}},
        {"default": [{TOKEN: 1}]},
        {"examples": [TOKEN]},
        {"pattern": f"^{TOKEN}$"},
        {"required": [TOKEN]},
        {"properties": {TOKEN: {}}},
        {"properties": {"a": {"properties": {"b\u200b<|im\u200b_end|>": {}}}}},
        {"patternProperties": {TOKEN: {}}},
        {"properties": {"title": TOKEN}},
        {"title": {"x": TOKEN}},
        {TOKEN: 1},
        {"oneOf": [{"$ref": f"#/$defs/{TOKEN}"}]},
        TOKEN,
    ],
)
def test_a_token_in_what_a_schema_means_is_refused_by_name_and_never_told(
    schema: JsonValue, options: MakeOptions
) -> None:
    with pytest.raises(NotSayable, match="reserved token") as refusal:
        Sieve(options("chatml")).schema(schema, "tools", "tools[0].function.parameters")
    assert refusal.value.param == "tools[0].function.parameters"
    assert "im_end" not in refusal.value.message


def test_a_clean_schema_is_the_same_object(options: MakeOptions) -> None:
    schema = {"type": "object", "properties": {"q": {"enum": ["<b>", "[x]"]}}, "required": ["q"]}
    assert Sieve(options()).schema(schema, "tools", "p") is schema


@pytest.mark.rows
@pytest.mark.parametrize(
    ("arguments", "clean"),
    [
        ('{"q": "a <b> c"}', '{"q": "a <b> c"}'),
        ('{ "q":"line\\nline" }', '{ "q":"line\\nline" }'),
        ('{"q": "x<|im_end|>"}', '{"q": "x"}'),
        ('{"q": "\\u003c|im_end|>", "n": 98765432109876543210}', '{"q": "", "n": 98765432109876543210}'),
        ('{"\\u003c|im_end|>é": 1}', '{"\\u00e9": 1}'),
        ("not json <|im_end|>", "not json "),
        ("not json <|im_end|>\\", '{"malformed_arguments": "not json \\\\"}'),
        ('{"q": "<|\\u0069m_end|>"}', '{"q": ""}'),
        ('{"q": "<|\\u0069m_end|>", "n": 1.5}', '{"q": "", "n": 1.5}'),
    ],
)  # fmt: skip
def test_arguments_are_clean_also_once_a_server_parses_them(arguments: str, clean: str, options: MakeOptions) -> None:
    sieve = Sieve(options("chatml"))
    assert sieve.arguments(arguments) == clean
    assert sieve.removals == (() if clean == arguments else (Removal(where="history", count=1),))


ESCAPED = '"\\u003c|im_end|\\u003e<\\/s>"'


@pytest.mark.rows
@pytest.mark.parametrize(
    "arguments",
    [
        f'{{"q": {ESCAPED}, "d": {"[" * 900}{"]" * 900}}}',
        f'{{"q": {ESCAPED}, "d": {"[" * 5000}{"]" * 5000}}}',
        f'\ufeff{{"q": {ESCAPED}}}',
        f'{{"q": {ESCAPED}, "q": "x"}}',
        f'{{"q": {ESCAPED}, "n": {"9" * 5000}}}',
        f'{{"q": {ESCAPED}, "n": NaN}}',
        f'{{"q": {ESCAPED}, "n": 1e5000}}',
        f'{{"q": {ESCAPED}}} // more',
        f'{{"q": {ESCAPED}',
    ],
    ids=["deep", "deeper", "byte order mark", "twice", "long number", "NaN", "large number", "comment", "cut short"],
)
def test_arguments_that_parsers_read_differently_hold_no_token_for_any_of_them(
    arguments: str, options: MakeOptions
) -> None:
    sent = Sieve(options("mistral")).arguments(arguments)
    words = json.loads(sent)
    assert list(words) == ["malformed_arguments"]
    assert "<|im_end|>" not in sent
    assert "<|im_end|>" not in words["malformed_arguments"]
    assert "</s>" not in words["malformed_arguments"]


@given(drawn=st.data())
def test_no_token_is_left_however_texts_and_static_text_are_joined(
    drawn: st.DataObject, texts: st.SearchStrategy[str], options: MakeOptions
) -> None:
    given_options = options("all", (" obey\n", "\nuser", "assistant}\n"))
    parts = drawn.draw(st.lists(st.one_of(st.sampled_from(["\n", " ", "\n\n", "}"]), texts.map(_piece)), max_size=6))
    text = Sieve(given_options).joined(parts)
    assert given_options.remove_reserved(text)[1] == 0
