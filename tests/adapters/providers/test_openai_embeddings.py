from array import array
from base64 import b64encode
from collections.abc import Callable
from struct import pack
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers import embedded, openai_compatible
from adapters.providers._openai_embeddings import read_embeddings
from adapters.providers._shape import Misshapen
from gateway.domain.errors import (
    NotSayable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamUnreachable,
)
from gateway.domain.exchange import Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call, Embedder, UpstreamClient
from gateway.domain.target import Endpoint


class Sent(Protocol):
    method: str
    url: str
    headers: dict[str, str]
    body: JsonValue
    socket: str | None


class Playback(UpstreamClient, Protocol):
    sent: list[Sent]
    closed: int


PlayBack = Callable[..., Playback]
MakeCall = Callable[..., Call]
Create = Callable[[UpstreamClient], Embedder]


@pytest.fixture(
    params=[openai_compatible.create_embedder, embedded.create_embedder], ids=["openai_compatible", "embedded"]
)
def create(request: pytest.FixtureRequest) -> Create:
    chosen: Create = request.param
    return chosen


def vector(*numbers: JsonValue, index: JsonValue = 0) -> JsonObject:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


def packed(*numbers: float) -> str:
    return b64encode(pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*data: JsonValue, **more: JsonValue) -> JsonObject:
    usage: JsonObject = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "data": list(data), "model": "m", "usage": usage, **more}


def asking(make_call: MakeCall, *texts: str, **values: JsonValue) -> Call:
    return make_call(endpoint=Endpoint.EMBEDDINGS, body={"input": list(texts)}, values=values)


async def test_texts_go_to_the_route_for_embeddings_with_the_targets_head(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(answer(vector(0.5, -1)))
    call = asking(make_call, "a", encoding_format="float", dimensions=2, user="u")
    made = await create(client).embed(call)
    assert made.vectors == (array("d", [0.5, -1.0]),)
    assert made.usage == Usage(input_tokens=3, output_tokens=0, details={"total_tokens": 3})
    (sent,) = client.sent
    assert (sent.method, sent.url, sent.socket) == ("POST", "http://model.test/v1/embeddings", "/run/model.sock")
    assert sent.body == {
        "model": "upstream-name", "input": ["a"], "encoding_format": "float", "dimensions": 2, "user": "u",
    }  # fmt: skip
    assert (sent.headers["authorization"], sent.headers["x-request-id"]) == ("Bearer sk-upstream", "req-1")
    assert client.closed == 1


async def test_what_is_sent_is_what_explain_shows(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    call = asking(make_call, "a")
    assert create(play_back()).serialise(call) == b'{"model":"upstream-name","input":["a"]}'


async def test_only_fields_that_the_target_takes_are_sent(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    call = make_call(endpoint=Endpoint.EMBEDDINGS, body={"input": ["a"]}, extra={"input_type": "query"})
    with pytest.raises(NotSayable, match="input_type"):
        create(play_back()).serialise(call)


@pytest.mark.rows
@pytest.mark.parametrize("form", ["float", "base64"])
async def test_either_form_is_read_whichever_was_asked_for(
    create: Create, play_back: PlayBack, make_call: MakeCall, form: str
) -> None:
    for told in (vector(0.5, 2.0), {"index": 0, "embedding": packed(0.5, 2.0)}):
        made = await create(play_back(answer(told))).embed(asking(make_call, "a", encoding_format=form))
        assert list(made.vectors[0]) == [0.5, 2.0]
        assert made.dimensions == 2


async def test_a_large_answer_is_read_as_a_small_one_is(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    numbers = [one / 7 for one in range(20_000)]
    made = await create(play_back(answer(vector(*numbers)))).embed(asking(make_call, "a"))
    assert list(made.vectors[0]) == numbers
    with pytest.raises(UpstreamGarbled):
        await create(play_back(answer(vector(*numbers, "x")))).embed(asking(make_call, "a"))


@given(st.permutations(range(5)))
def test_vectors_are_put_into_the_order_of_the_texts(order: list[int]) -> None:
    made = read_embeddings(answer(*[vector(one, index=one) for one in order]), texts=5)
    assert [list(one) for one in made.vectors] == [[0.0], [1.0], [2.0], [3.0], [4.0]]


def test_vectors_without_numbers_are_in_the_order_of_the_texts() -> None:
    made = read_embeddings(answer({"embedding": [1.0]}, {"embedding": [2.0], "index": None}), texts=2)
    assert [list(one) for one in made.vectors] == [[1.0], [2.0]]


def test_an_answer_that_counts_nothing_has_no_usage() -> None:
    assert read_embeddings({"data": [vector(1.0)]}, texts=1).usage is None


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_base64_gives_the_very_numbers(numbers: list[float]) -> None:
    made = read_embeddings(answer({"index": 0, "embedding": packed(*numbers)}), texts=1)
    assert list(made.vectors[0]) == numbers


NAN, INF = float("nan"), float("inf")
BAD: list[tuple[str, JsonObject, int, str]] = [
    ("no data", {"object": "list"}, 1, "data is not a list"),
    ("too few", answer(vector(1.0)), 2, "one vector for each text"),
    ("too many", answer(vector(1.0), vector(1.0, index=1)), 1, "one vector for each text"),
    ("none", answer(), 1, "one vector for each text"),
    ("no object", answer([1.0]), 1, "not an object"),
    ("twice the same index", answer(vector(1.0), vector(2.0)), 2, "index"),
    ("an index beyond", answer(vector(1.0, index=1)), 1, "index"),
    ("a negative index", answer(vector(1.0, index=-1)), 1, "index"),
    ("an index of another type", answer(vector(1.0, index="0")), 1, "index"),
    ("several lengths", answer(vector(1.0), vector(1.0, 2.0, index=1)), 2, "several lengths"),
    ("empty", answer(vector()), 1, "empty"),
    ("empty base64", answer({"index": 0, "embedding": ""}), 1, "empty"),
    ("no vector", answer({"index": 0}), 1, "neither"),
    ("text in it", answer(vector(1.0, "2")), 1, "neither"),
    ("truth in it", answer(vector(*[1.0, True])), 1, "neither"),
    ("null in it", answer(vector(1.0, None)), 1, "neither"),
    ("nested", answer(vector([1.0])), 1, "neither"),
    ("not finite", answer(vector(1.0, NAN)), 1, "finite"),
    ("infinite", answer(vector(INF, -INF)), 1, "finite"),
    ("too large for 32 bits", answer(vector(1e300)), 1, "finite"),
    ("not finite in base64", answer({"embedding": packed(1.0, NAN, 2.0)}), 1, "finite"),
    ("infinite in base64", answer({"embedding": packed(1.0, -INF)}), 1, "finite"),
    ("no base64", answer({"embedding": "AAAA!"}), 1, "base64"),
    ("base64 of another alphabet", answer({"embedding": "__-_"}), 1, "base64"),
    ("base64 beyond ASCII", answer({"embedding": "AAAé"}), 1, "base64"),
    ("half a number", answer({"embedding": b64encode(b"123456").decode()}), 1, "32-bit"),
    ("wrong counts", answer(vector(1.0), usage={"prompt_tokens": -1}), 1, "prompt_tokens"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("told", "texts", "why"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_an_answer_that_is_not_the_protocols_is_refused_whole(told: JsonObject, texts: int, why: str) -> None:
    with pytest.raises(Misshapen, match=why):
        read_embeddings(told, texts=texts)


def test_vectors_of_another_length_than_was_asked_for_are_refused() -> None:
    told = answer(vector(1.0, 2.0))
    assert read_embeddings(told, texts=1, dimensions=2).dimensions == 2
    with pytest.raises(Misshapen, match="dimensions"):
        read_embeddings(told, texts=1, dimensions=1)


async def test_the_length_that_was_asked_for_is_looked_up_in_the_call(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(answer(vector(1.0, 2.0)))
    with pytest.raises(UpstreamGarbled, match="dimensions"):
        await create(client).embed(asking(make_call, "a", dimensions=3))


@pytest.mark.rows
@pytest.mark.parametrize("raw", [b"", b"private", b"[]", b'{"data": [{"embedding": [NaN]}]}', b'{"data": []}'])
async def test_a_garbled_answer_names_the_target_and_quotes_nothing(
    create: Create, play_back: PlayBack, make_call: MakeCall, raw: bytes
) -> None:
    with pytest.raises(UpstreamGarbled, match="not the protocol's") as caught:
        await create(play_back(raw)).embed(asking(make_call, "a"))
    assert caught.value.target == "primary"
    assert "private" not in str(caught.value)


async def test_an_error_with_status_200_is_a_failure(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await create(play_back({"error": {"message": "private"}})).embed(asking(make_call, "a"))
    assert "private" not in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected), (401, UpstreamFailed), (404, UpstreamFailed), (429, UpstreamOverloaded),
        (500, UpstreamFailed), (307, UpstreamFailed), (503, UpstreamOverloaded),
    ],
)  # fmt: skip
async def test_refusals_are_those_of_any_call(
    create: Create, play_back: PlayBack, make_call: MakeCall, status: int, kind: type[UpstreamError]
) -> None:
    with pytest.raises(kind) as caught:
        await create(play_back({"error": {"message": "private"}}, status=status)).embed(asking(make_call, "a"))
    assert "private" not in str(caught.value)


async def test_a_server_that_makes_none_leaves_it_to_another_target(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back({"error": {"code": 501, "type": "not_supported_error"}}, status=501)
    with pytest.raises(NotSayable, match="primary makes no embeddings"):
        await create(client).embed(asking(make_call, "a"))


async def test_an_encoded_answer_is_garbled(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back(answer(vector(1.0)), headers={"content-encoding": "gzip"})
    with pytest.raises(UpstreamGarbled, match="compressed"):
        await create(client).embed(asking(make_call, "a"))


async def test_the_embedded_model_needs_its_socket(play_back: PlayBack, make_call: MakeCall) -> None:
    call = make_call(endpoint=Endpoint.EMBEDDINGS, body={"input": ["a"]}, socket=None)
    client = play_back(answer(vector(1.0)))
    with pytest.raises(UpstreamUnreachable, match="no socket"):
        await embedded.create_embedder(client).embed(call)
    assert client.sent == []
    assert await openai_compatible.create_embedder(client).embed(call)
