"""How do OpenAI's embeddings read and write?

``POST /v1/embeddings`` as the official SDKs speak it, with ``subject`` added. Every text is data, and there is no
instruction: an embedding model follows none. What is no text is refused, for nobody could look into it. Vectors are
written anew from the numbers that were read, in the form that was asked for.
"""

from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from sys import byteorder
from typing import Final

import orjson

from gateway.dialects._checks import integer, model_name, one_of, optional_subject, short_string, wrong
from gateway.dialects._fields import Field, mapped, passed, refused, sort
from gateway.dialects._openai_errors import error_body
from gateway.domain.exchange import Embeddings, Handling, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import MOST_TEXTS, ClientRequest, DataPart, Message, Options, Role

__all__ = ["FIELDS", "NAME", "ORIGIN", "error_body", "read", "write"]

NAME: Final = "openai_embeddings"
# Where all texts to embed come from, as rules and records say it.
ORIGIN: Final = "embedding"
_FORMAT: Final = "encoding_format"

# What becomes of each field: see ``_fields.py``.
FIELDS: Final[Mapping[str, Field]] = {
    "input": mapped("the texts, each of them data; arrays of token ids are refused"),
    "model": mapped("the name in the configuration; the upstream's own name goes upstream"),
    "subject": mapped("Splitgate's own: the person whom the request is about, for the audit alone"),
    _FORMAT: passed(one_of("float", "base64"), "how vectors are written"),
    "dimensions": passed(integer(1, 2**20), "how long vectors are; an answer of another length is refused"),
    "user": passed(short_string(512), "names the end user to the provider"),
    "data": refused("every text is data here; put it into input"),
    "min_isolation": refused("an embedding model follows no instruction, so nothing has to be kept apart"),
}


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    values, extra = sort(body, FIELDS)
    subject = optional_subject(body.get("subject"), "subject")
    user = values.get("user")
    return ClientRequest(
        dialect=NAME,
        model=model_name(body.get("model"), "model"),
        messages=_messages(body.get("input")),
        options=Options(values=values, extra=extra),
        subject=subject or (user if isinstance(user, str) and user else None),
        echo={_FORMAT: values.get(_FORMAT, "float")},
    )


def write(made: Embeddings, handling: Handling) -> bytes:
    """A ``list`` of ``embedding`` objects."""
    encode = _base64 if handling.echo.get(_FORMAT) == "base64" else list[float]
    body: dict[str, object] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": encode(vector)}
            for index, vector in enumerate(made.vectors)
        ],
        "model": handling.model,
    }
    if made.usage is not None:
        body["usage"] = _usage(made.usage)
    return orjson.dumps(body)


def _messages(value: JsonValue) -> tuple[Message, ...]:
    """Each text is a message of its own, for a model reads each alone."""
    if isinstance(value, str):
        return (_message(value, "input"),)
    if not isinstance(value, list) or not 0 < len(value) <= MOST_TEXTS:
        raise wrong("input", f"be a string or a list of 1 to {MOST_TEXTS} strings")
    return tuple([_message(text, f"input[{index}]") for index, text in enumerate(value)])


def _message(text: JsonValue, path: str) -> Message:
    if isinstance(text, int | list):
        raise wrong(
            path, "be text: token ids cannot be inspected (LangChain sends text with check_embedding_ctx_length=False)"
        )
    if not isinstance(text, str) or not text:
        raise wrong(path, "be a string that is not empty")
    return Message(role=Role.INPUT, parts=(DataPart(text=text, path=path, origin=ORIGIN),), path=path)


def _base64(vector: Sequence[float]) -> str:
    """Floats of 32 bits, little end first, as OpenAI writes them."""
    numbers = array("f", vector)
    if byteorder == "big":  # pragma: no cover
        numbers.byteswap()
    return b64encode(numbers.tobytes()).decode()


def _usage(usage: Usage) -> JsonObject:
    return {"prompt_tokens": usage.input_tokens, "total_tokens": usage.details.get("total_tokens", usage.input_tokens)}
