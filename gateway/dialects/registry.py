"""Which wire formats do applications speak, and on which path each?

The one list of them: routes, approvals, recorded requests and the command line look names up here.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.dialects import anthropic_messages, openai_chat, openai_embeddings, openai_responses, split
from gateway.domain.errors import GatewayError
from gateway.domain.exchange import ApprovalPending, Embeddings, Handling, Reply, ReplyEvent
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.request import ClientRequest


class StreamWriter(Protocol):
    """Turns events into a dialect's server-sent events."""

    def feed(self, event: ReplyEvent) -> bytes: ...

    def finish(self) -> bytes: ...

    def fail(self, error: GatewayError, status: int) -> bytes: ...


class Dialect(Protocol):
    """A wire format that applications speak: a module of ``gateway.dialects``."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def read(self, body: JsonObject) -> ClientRequest: ...

    def write(self, reply: Reply, handling: Handling) -> bytes: ...

    def write_held(self, pending: ApprovalPending, handling: Handling) -> bytes: ...

    def error_body(self, error: GatewayError, status: int) -> bytes: ...

    def StreamWriter(self, handling: Handling, *, include_usage: bool) -> StreamWriter: ...  # noqa: N802


class CountingDialect(Protocol):
    """A wire format in which applications ask how many tokens a request takes."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def read_count(self, body: JsonObject) -> ClientRequest: ...

    def write_count(self, tokens: int) -> bytes: ...

    def error_body(self, error: GatewayError, status: int) -> bytes: ...


class EmbeddingDialect(Protocol):
    """A wire format in which applications ask for vectors."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def read(self, body: JsonObject) -> ClientRequest: ...

    def write(self, made: Embeddings, handling: Handling) -> bytes: ...

    def error_body(self, error: GatewayError, status: int) -> bytes: ...


PATHS: Final[Mapping[str, Dialect]] = {
    "/v1/split": split,
    "/v1/chat/completions": openai_chat,
    "/v1/responses": openai_responses,
    "/v1/messages": anthropic_messages,
}
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.NAME: dialect for dialect in PATHS.values()}
COUNTS: Final[Mapping[str, CountingDialect]] = {
    "/v1/messages/count_tokens": anthropic_messages,
}
EMBEDS: Final[Mapping[str, EmbeddingDialect]] = {
    "/v1/embeddings": openai_embeddings,
}
# What a caller may be let use, by name: whoever may ask in a dialect may count in it as well.
ROUTES: Final = frozenset({*DIALECTS, *(dialect.NAME for dialect in (*COUNTS.values(), *EMBEDS.values()))})
