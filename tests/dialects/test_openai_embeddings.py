import json
from array import array
from base64 import b64decode
from collections.abc import Sequence
from struct import iter_unpack
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.embedding_create_params import EmbeddingCreateParams
from pydantic import TypeAdapter

from gateway.dialects import openai_embeddings
from gateway.dialects._fields import REFERENCES, Treatment
from gateway.dialects.openai_embeddings import FIELDS, NAME, ORIGIN, read, write
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.exchange import Embeddings, Handling, Usage
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import MOST_TEXTS, DataPart, Role

HINTS = get_type_hints(EmbeddingCreateParams)
OWN = {"subject", "data", "min_isolation"}
# Values at both sides of each passed field's border: the SDK's types must accept what we accept.
EXAMPLES: dict[str, tuple[tuple[JsonValue, ...], tuple[JsonValue, ...]]] = {
    "encoding_format": (("float", "base64"), ("base32", "", 1, ["float"])),
    "dimensions": ((1, 3072), (0, -1, 2**21, 1.5, True, "256")),
    "user": (("", "u", "x" * 512), ("x" * 513, 1, {})),
}


def asked(**more: JsonValue) -> dict[str, JsonValue]:
    return {"model": "m", "input": "text", **more}


def refused(body: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body)
    return caught.value


def test_every_field_of_the_sdk_is_classified_and_nothing_else() -> None:
    assert set(FIELDS) == set(HINTS) | OWN


def test_every_passed_field_has_examples() -> None:
    passed = {name for name, field in FIELDS.items() if field.treatment is Treatment.PASSED}
    assert set(EXAMPLES) == passed


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), [(n, v) for n, (good, _) in EXAMPLES.items() for v in good])
def test_what_is_passed_is_what_the_sdk_may_send(name: str, value: JsonValue) -> None:
    TypeAdapter(HINTS[name]).validate_python(value, strict=True)
    assert read(asked(**{name: value})).options.values[name] == value


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), [(n, v) for n, (_, bad) in EXAMPLES.items() for v in bad])
def test_a_value_of_the_wrong_type_is_refused_by_name(name: str, value: JsonValue) -> None:
    error = refused(asked(**{name: value}))
    assert isinstance(error, InvalidField)
    assert error.param == name


def test_null_is_as_good_as_absent() -> None:
    body = asked(encoding_format=None, dimensions=None, user=None, subject=None, data=None, min_isolation=None)
    assert read(body) == read(asked())


@pytest.mark.parametrize("given", ["one", ["one"], ["one", "two", " "]])
def test_each_text_is_data_in_a_message_of_its_own(given: JsonValue) -> None:
    request = read({"model": "m", "input": given})
    texts = [given] if isinstance(given, str) else given
    assert [message.role for message in request.messages] == [Role.INPUT] * len(request.messages)
    parts = [part for message in request.messages for part in message.parts]
    assert [part.text for part in parts if isinstance(part, DataPart)] == texts
    assert {part.origin for part in parts if isinstance(part, DataPart)} == {ORIGIN}
    paths = ["input"] if isinstance(given, str) else [f"input[{n}]" for n in range(len(parts))]
    assert [part.path for part in parts] == paths
    assert (request.dialect, request.model, request.min_isolation) == (NAME, "m", None)


def test_as_many_texts_as_openai_takes_are_taken() -> None:
    assert len(read({"model": "m", "input": ["a"] * MOST_TEXTS}).messages) == 2_048


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "input"), ("", "input"), (7, "input"), ({}, "input"), (True, "input"), ([], "input"),
        (["a"] * (MOST_TEXTS + 1), "input"), ([""], "input[0]"), (["a", ""], "input[1]"), (["a", None], "input[1]"),
        ([{"text": "a"}], "input[0]"), ([1.5], "input[0]"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_by_its_path(given: JsonValue, param: str) -> None:
    error = refused({"model": "m", "input": given})
    assert isinstance(error, InvalidField)
    assert error.param == param


@pytest.mark.parametrize(
    ("given", "param"), [([1, 2], "input[0]"), ([[1, 2], [3]], "input[0]"), (["a", [1]], "input[1]")]
)
def test_token_ids_are_refused_and_the_error_says_how_to_send_text(given: JsonValue, param: str) -> None:
    error = refused({"model": "m", "input": given})
    assert error.param == param
    assert "token ids" in error.message
    assert "check_embedding_ctx_length=False" in error.message


def test_a_request_without_a_model_is_refused() -> None:
    assert refused({"input": "a"}).param == "model"


def test_the_subject_is_who_was_named_for_the_audit_or_else_the_end_user() -> None:
    assert read(asked(subject="joe", user="u")).subject == "joe"
    assert read(asked(user="u")).subject == "u"
    assert read(asked(user="")).subject is None
    assert read(asked()).subject is None
    assert refused(asked(subject="")).param == "subject"


@pytest.mark.parametrize("field", ["data", "min_isolation"])
def test_fields_that_mean_nothing_here_are_refused_with_the_reason(field: str) -> None:
    error = refused(asked(**{field: "native"}))
    assert isinstance(error, InvalidField)
    assert (error.param, FIELDS[field].why in error.message) == (field, True)


def test_an_unknown_field_is_left_to_the_targets_configuration() -> None:
    assert read(asked(input_type="query")).options.extra == {"input_type": "query"}


@pytest.mark.rows
@pytest.mark.parametrize("field", ["api_base", "Api-Key", "prompt_embeds", "truncate_prompt_tokens", "prompt"])
def test_a_field_that_could_redirect_the_call_is_refused(field: str) -> None:
    assert isinstance(refused(asked(**{field: "x"})), ForbiddenField)
    assert isinstance(refused(asked(input_type={"deep": [{field: "x"}]})), ForbiddenField)


def test_a_field_whose_name_is_none_is_refused_without_repeating_it() -> None:
    error = refused(asked(**{"my secret": 1}))
    assert isinstance(error, UnknownField)
    assert "secret" not in error.message


@pytest.mark.rows
@pytest.mark.parametrize("field", sorted(REFERENCES))
def test_content_that_stands_elsewhere_is_refused(field: str) -> None:
    assert isinstance(refused(asked(**{field: "x"})), ContentByReference)


HANDLING = Handling(request_id="r", model="asked-for", created=1, isolation="no-instruction", format="f", target="t")


def handling(**more: JsonValue) -> Handling:
    return Handling(
        request_id="r", model="asked-for", created=1, isolation="no-instruction", format="f", target="t",
        echo=read(asked(**more)).echo,
    )  # fmt: skip


@pytest.mark.parametrize("form", [None, "float"])
def test_vectors_are_written_as_numbers_unless_asked_otherwise(form: str | None) -> None:
    made = Embeddings(
        vectors=(array("d", [0.1, -1.0]), array("f", [0.5, 2.0])), usage=Usage(input_tokens=3, output_tokens=0)
    )
    written = json.loads(write(made, handling(encoding_format=form)))
    assert written == {
        "object": "list",
        "model": "asked-for",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.1, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 2.0]},
        ],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    CreateEmbeddingResponse.model_validate(written, strict=True)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_base64_holds_the_same_numbers_little_end_first(numbers: Sequence[float]) -> None:
    for vector in (array("f", numbers), array("d", numbers)):
        written = json.loads(write(Embeddings(vectors=(vector,)), handling(encoding_format="base64")))
        raw = b64decode(written["data"][0]["embedding"])
        assert [one for (one,) in iter_unpack("<f", raw)] == list(numbers)


def test_the_upstreams_total_is_told_and_what_was_not_counted_is_left_out() -> None:
    counted = Embeddings(vectors=((1.0,),), usage=Usage(input_tokens=3, output_tokens=0, details={"total_tokens": 4}))
    assert json.loads(write(counted, HANDLING))["usage"] == {"prompt_tokens": 3, "total_tokens": 4}
    assert "usage" not in json.loads(write(Embeddings(vectors=((1.0,),)), HANDLING))


def test_errors_have_openais_shape() -> None:
    error = json.loads(openai_embeddings.error_body(InvalidField("no", param="input"), 400))["error"]
    assert error == {"message": "no", "type": "invalid_request_error", "param": "input", "code": "invalid_field"}
