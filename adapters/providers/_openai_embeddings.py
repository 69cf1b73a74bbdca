"""How are texts made into vectors by a server that speaks OpenAI's protocol?

``POST {base_url}/embeddings``. As strict as the reading of answers: a vector that is missing, of another length, out of
order twice or not of finite numbers makes all of them unusable, for a wrong vector is found by nobody later on.
Source: OpenAI's API reference, "Create embeddings"; base64 holds floats of 32 bits, little end first.
"""

import asyncio
from array import array
from base64 import b64decode
from binascii import Error
from collections.abc import Sequence
from math import isfinite
from sys import byteorder
from typing import Final, TypeGuard

from adapters.providers._openai import OpenAiProvider, fetch, garbled, read_object
from adapters.providers._openai_read import read_usage
from adapters.providers._shape import Misshapen, as_object, count_at, list_at, optional_object
from gateway.domain.errors import NotSayable
from gateway.domain.exchange import Embeddings
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call

# Bytes of an answer from which a thread is worth its hand-over: a megabyte takes some ten milliseconds.
_LARGE: Final = 128 * 1024
_NUMBERS: Final = frozenset({int, float})


class OpenAiEmbedder:
    """``Embedder`` over whatever way ``provider`` has to the server."""

    def __init__(self, provider: OpenAiProvider) -> None:
        self._provider = provider

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body."""
        return self._provider.serialise(call)

    async def embed(self, call: Call) -> Embeddings:
        """Make the call and read the vectors."""
        target = call.target.id
        async with self._provider.open(call, "application/json") as response:
            if response.status == 501:
                raise NotSayable(
                    f"target {target} makes no embeddings: its server says so (501); ask for another model, or start "
                    "that server for embeddings (llama.cpp: --embeddings)"
                )
            raw = await fetch(response, target)
        try:
            return await asyncio.to_thread(_read, raw, call) if len(raw) > _LARGE else _read(raw, call)
        except Misshapen as exc:
            raise garbled(target, exc) from exc


def _read(raw: bytes, call: Call) -> Embeddings:
    texts, dimensions = call.layout.body["input"], call.options.values.get("dimensions")
    return read_embeddings(
        read_object(raw, call.target.id),
        texts=len(texts) if isinstance(texts, Sequence) else 0,
        dimensions=dimensions if isinstance(dimensions, int) else None,
    )


def read_embeddings(answer: JsonObject, *, texts: int, dimensions: int | None = None) -> Embeddings:
    """Read a parsed answer to so many texts; ``dimensions`` is the length that was asked for, if any was.

    Raises:
        Misshapen: it is not the protocol, or not an answer to that.
    """
    listed = list_at(answer, "data")
    if len(listed) != texts:
        raise Misshapen("data does not hold one vector for each text")
    vectors: dict[int, Sequence[float]] = {}
    for at, value in enumerate(listed):
        entry = as_object(value, "data[]")
        index = count_at(entry, "index", at)
        if index in vectors or index >= texts:
            raise Misshapen("data[].index names a text twice, or one that nobody sent")
        vectors[index] = _vector(entry.get("embedding"))
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) != 1 or not all(lengths):
        raise Misshapen("data[].embedding is empty, or of several lengths")
    if dimensions is not None and lengths != {dimensions}:
        raise Misshapen("data[].embedding is not as long as the dimensions that were asked for")
    usage = optional_object(answer, "usage")
    return Embeddings(
        vectors=tuple([vectors[index] for index in range(texts)]),
        usage=None if usage is None else read_usage(usage),
    )


def _vector(value: JsonValue) -> Sequence[float]:
    """One vector, in whichever of the two forms it came."""
    if isinstance(value, str):
        vector = _decoded(value)
    elif isinstance(value, list) and _are_numbers(value):
        vector = array("d", value)
    else:
        raise Misshapen("data[].embedding is neither a list of numbers nor base64")
    # As 32 bits, which is how it may have to be written: what is too large for these is infinite there. One sum tells,
    # since what is not finite stays so in it.
    if not isfinite(sum(array("f", vector))):
        raise Misshapen("data[].embedding holds a number that is not finite")
    return vector


def _are_numbers(values: list[JsonValue]) -> TypeGuard[list[float]]:
    """Whether all are, truth values aside."""
    return _NUMBERS.issuperset(map(type, values))


def _decoded(text: str) -> "array[float]":
    try:
        raw = b64decode(text, validate=True)
    except (Error, ValueError):  # ValueError: characters beyond ASCII
        # Without a cause: texts can be guessed from vectors.
        raise Misshapen("data[].embedding is not base64") from None
    numbers = array("f")
    if len(raw) % numbers.itemsize:
        raise Misshapen("data[].embedding is no whole count of 32-bit floats")
    numbers.frombytes(raw)
    if byteorder == "big":  # pragma: no cover
        numbers.byteswap()
    return numbers
