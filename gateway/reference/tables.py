"""What becomes of each request field, and which errors are there? The tables of ``docs/api.md``."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.dialects import openai_embeddings
from gateway.dialects._anthropic_messages_fields import FIELDS as MESSAGES_FIELDS
from gateway.dialects._fields import REFERENCES, Field
from gateway.dialects._openai_chat_fields import FIELDS as CHAT_FIELDS
from gateway.dialects._openai_responses_fields import FIELDS as RESPONSES_FIELDS
from gateway.domain.errors import ConfigError, GatewayError, RequestError, UpstreamError
from gateway.web.problems import STATUS


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def fields() -> str:
    """Every field of a chat request that the gateway knows, by what is done with it."""
    return _fields(CHAT_FIELDS)


def messages_fields() -> str:
    """The same for a request of Anthropic's Messages."""
    return _fields(MESSAGES_FIELDS)


def responses_fields() -> str:
    """The same for a request to OpenAI's responses API."""
    return _fields(RESPONSES_FIELDS)


def embedding_fields() -> str:
    """The same of a request for embeddings, which knows no content by reference."""
    return _rows(openai_embeddings.FIELDS)


def _fields(known: Mapping[str, Field]) -> str:
    also = ", ".join(f"`{name}`" for name in sorted(REFERENCES - known.keys()))
    return f"{_rows(known)}\n\nRefused too, as content that the gateway cannot see: {also}."


def _rows(known: Mapping[str, Field]) -> str:
    rows = (
        (f"`{name}`", field.treatment.value, field.why)
        for treatment in dict.fromkeys(field.treatment for field in known.values())
        for name, field in known.items()
        if field.treatment is treatment
    )
    return table(("field", "is", "why"), rows)


def errors() -> str:
    """Every error that a client can meet, with its code and status."""
    rows = ((f"`{kind.code}`", str(_status(kind)), _meaning(kind)) for kind in _kinds())
    return table(("code", "HTTP", "meaning"), rows)


# What has branches of its own, or is never told to a client.
_BRANCHES: Final = (RequestError, UpstreamError, ConfigError)


def _kinds() -> Iterator[type[GatewayError]]:
    """Errors in the order of their tree. A broken configuration stops a start: no client meets it."""
    yield from _below(RequestError)
    yield RequestError
    yield from _below(UpstreamError)
    yield from (kind for kind in GatewayError.__subclasses__() if kind not in _BRANCHES)
    yield GatewayError


def _below(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _status(kind: type[GatewayError]) -> int:
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def _meaning(kind: type[GatewayError]) -> str:
    """The class's first sentence, without what it says of its own attributes."""
    if kind is GatewayError:
        return "The gateway itself failed: report it with the request's id."
    said = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).replace("``", "`")
    return re.split(r"[;.] `", said)[0].rstrip(".") + "."
