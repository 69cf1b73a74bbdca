"""How many tokens will a request take, and how many did it take?

Before it is sent that is an estimate, from the length of its texts and the answer that it asks for; afterwards it is
what the upstream counted, if that can be believed. Where nobody counted, the estimate stands, and more where more has
come: nothing gets cheaper by being cut off.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.domain.errors import (
    GatewayError,
    NotSayable,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.exchange import (
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    Reply,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.limits import Price
from gateway.domain.operation import Operation
from gateway.domain.prompt import MediaKind
from gateway.domain.request import ClientRequest, MediaPart, Message
from gateway.domain.value import value

# Bytes of UTF-8 that make one token, fewer than of most texts: English has four, and so have other languages' bytes.
BYTES_A_TOKEN: Final = 3
# Tokens of a message beside its text, and of an image; characters of base64 that make one token of another file.
_A_MESSAGE: Final = 4
_AN_IMAGE: Final = 1_600
_BASE64_A_TOKEN: Final = 32
# More tokens than any model takes or gives: whoever counts more does not count.
MOST_TOKENS: Final = 10_000_000

# Options that vendors put into the prompt, or charge as if they had.
_TOLD: Final = ("response_format", "prediction")
_LENGTHS: Final = ("max_tokens", "max_completion_tokens")


@value
class Tokens:
    """Tokens of a request and its answer; of the input, those read from a cache and those put there."""

    input: int
    output: int
    cached: int = 0
    written: int = 0

    @property
    def all(self) -> int:
        return self.input + self.output

    def cost(self, price: Price) -> int:
        """In millionths of a unit of money."""
        fresh = self.input - self.cached - self.written
        return price.of(fresh, self.output, cached=self.cached, written=self.written)


def estimate(request: ClientRequest, operation: Operation, assumed_output: int) -> Tokens:
    """Before it is sent. ``assumed_output`` stands in for a length that the request does not limit."""
    size = _size_of_messages(request.messages)
    # Not text of a message, and as long as the client likes: tools, a schema for the answer, a guess at it.
    for tool in request.tools:
        size += _size_of(repr(tool))
    values = request.options.values
    for name in _TOLD:
        if name in values and values[name] is not None:
            size += _size_of(repr(values[name]))
    output = 0 if operation is Operation.EMBED else _asked(values, assumed_output)
    return Tokens(
        input=min(MOST_TOKENS, tokens_of(size) + _A_MESSAGE * len(request.messages)), output=min(MOST_TOKENS, output)
    )


def tokens_of(size: int) -> int:
    """Of so many bytes of text, rounded up."""
    return -(-size // BYTES_A_TOKEN)


def believed(usage: Usage | None) -> Tokens | None:
    """What the upstream counted; None where it did not, or where that cannot be."""
    if usage is None or not 0 < usage.input_tokens <= MOST_TOKENS or not 0 <= usage.output_tokens <= MOST_TOKENS:
        return None
    told = usage.details.get("prompt_tokens_details")
    cached, written = _cached(told) if isinstance(told, dict) else (0, 0)
    if cached + written > usage.input_tokens:
        cached = written = 0
    return Tokens(input=usage.input_tokens, output=usage.output_tokens, cached=cached, written=written)


def size_of(event: StreamEvent) -> int:
    """Bytes of what a model said in one event, as far as anybody can see it."""
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            text = event.text
            return len(text) if text.isascii() else _size_of(text)
        case ToolCallDelta():
            return _size_of(event.arguments)
        case ReasoningSealed():
            return len(event.seal.token) if event.seal.hidden else 0
        case _:
            return 0


def size_of_reply(reply: Reply) -> int:
    """The same of a whole answer."""
    texts = [text for c in reply.choices for text in (c.text, c.refusal, c.reasoning) if text]
    return sum(map(_size_of, (*texts, *[call.arguments for c in reply.choices for call in c.tool_calls])))


def bills_nothing(error: GatewayError) -> bool:
    """Whether an attempt that failed so, before anything of an answer came, cannot have cost anything.

    It was not processed, or was answered by an error at once. Who was silent, or broke off, may have done the work.
    """
    if isinstance(error, UpstreamTimeout):
        return error.phase == "connect"
    return isinstance(error, NotSayable | UpstreamUnreachable | UpstreamRejected | UpstreamOverloaded | UpstreamFailed)


def _asked(values: JsonObject, assumed: int) -> int:
    """The longest that all choices of the answer may be."""
    longest: int | None = None
    for name in _LENGTHS:
        if name in values and isinstance(length := values[name], int) and (longest is None or length > longest):
            longest = length
    if longest is None:
        longest = assumed
    count = values.get("n")
    return longest * count if isinstance(count, int) and count > 0 else longest


def _size_of_messages(messages: Iterable[Message]) -> int:
    size = 0
    for message in messages:
        for part in message.parts:
            if isinstance(part, MediaPart):
                size += _size_of_media(part)
            else:
                text = part.text
                size += len(text) if text.isascii() else _size_of(text)
        for call in message.tool_calls:
            size += _size_of(call.arguments)
        if message.reasoning is not None:
            size += _size_of(message.reasoning)
        for seal in message.seals:
            if seal.hidden:
                size += len(seal.token)
    return size


def _size_of_media(part: MediaPart) -> int:
    if part.kind is MediaKind.IMAGE:
        return _AN_IMAGE * BYTES_A_TOKEN
    return max(_AN_IMAGE, len(part.content) // _BASE64_A_TOKEN) * BYTES_A_TOKEN


def _size_of(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _cached(told: Mapping[str, JsonValue]) -> tuple[int, int]:
    return _count(told.get("cached_tokens")), _count(told.get("cache_write_tokens"))


def _count(told: JsonValue) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else 0


def dearest(prices: Iterable[Price], tokens: Tokens) -> int:
    """What they cost where they cost most."""
    return max([tokens.cost(price) for price in prices], default=0)
