"""Which wire formats do applications speak, and on which path each?

The one list of them: routes, approvals, recorded requests and the command line look names up here.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.dialects import anthropic_messages, openai_chat, openai_responses, split
from gateway.domain.errors import GatewayError
from gateway.domain.exchange import ApprovalPending, Handling, Reply, ReplyEvent
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


PATHS: Final[Mapping[str, Dialect]] = {
    "/v1/split": split,
    "/v1/chat/completions": openai_chat,
    "/v1/responses": openai_responses,
    "/v1/messages": anthropic_messages,
}
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.NAME: dialect for dialect in PATHS.values()}
