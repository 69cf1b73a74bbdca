"""The JSON front door either reads a request or refuses it in the client's terms; nothing else ever comes out."""

from collections import Counter
from collections.abc import Callable, Iterator

import orjson
import pytest

from gateway.dialects.body import parse_body
from gateway.dialects.registry import EMBEDS, PATHS
from gateway.domain.errors import RequestError
from gateway.domain.request import ClientRequest

Generate = Callable[[int, int], Iterator[tuple[str, bytes]]]


def outcome(route: str, raw: bytes) -> str:
    got = attempt(route, raw)
    if isinstance(got, ClientRequest):
        orjson.dumps([got.options.values, got.options.extra, [message.path for message in got.messages]])
        return "read"
    assert got.message.endswith(".")
    assert got.message.isprintable()
    orjson.dumps([got.message, got.param])
    return type(got).__name__


def attempt(route: str, raw: bytes) -> ClientRequest | RequestError:
    try:
        return {**PATHS, **EMBEDS}[route].read(parse_body(raw))
    except RequestError as error:
        return error


def run(generate: Generate, seed: int, count: int) -> Counter[str]:
    return Counter(outcome(route, raw) for route, raw in generate(seed, count))


def test_mutated_requests_are_read_or_refused(mutated_requests: Generate) -> None:
    seen = run(mutated_requests, 1, 2_500)
    assert seen["read"] > 25, "the generator must leave some requests valid"
    assert {"MalformedBody", "InvalidField", "UnknownField", "ForbiddenField", "ContentByReference"} <= set(seen)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
def test_many_mutated_requests_are_read_or_refused(mutated_requests: Generate) -> None:
    run(mutated_requests, 2, 100_000)


def test_the_same_seed_gives_the_same_requests(mutated_requests: Generate) -> None:
    assert list(mutated_requests(7, 50)) == list(mutated_requests(7, 50))
    assert list(mutated_requests(7, 50)) != list(mutated_requests(8, 50))


def test_the_requests_that_mutations_start_from_are_valid(
    chat_body: dict[str, object],
    native_body: dict[str, object],
    messages_body: dict[str, object],
    responses_body: dict[str, object],
    embeddings_body: dict[str, object],
) -> None:
    assert outcome("/v1/chat/completions", orjson.dumps(chat_body)) == "read"
    assert outcome("/v1/split", orjson.dumps(native_body)) == "read"
    assert outcome("/v1/messages", orjson.dumps(messages_body)) == "read"
    assert outcome("/v1/responses", orjson.dumps(responses_body)) == "read"
    assert outcome("/v1/embeddings", orjson.dumps(embeddings_body)) == "read"
