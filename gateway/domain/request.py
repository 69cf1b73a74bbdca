"""What did the client ask, before anything is trusted?

Dialects produce these values; ``pipeline/lift.py`` alone turns them into the typed segments of ``prompt.py``.
"""

from dataclasses import field
from enum import StrEnum
from typing import ClassVar, TypeAlias

from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import CacheLife, MediaKind, Seal, Tool, ToolCall, Trust
from gateway.domain.value import value

# So many segments may a request hold in all, earlier turns' calls among them, and name so many persons: each is looked
# at, recorded and committed to on its own.
MOST_SEGMENTS = 2_000
MOST_SUBJECTS = 64
# So many texts may a request for embeddings hold: OpenAI's own limit.
MOST_TEXTS = 2_048
# The two names under which servers give and take an assistant's reasoning; the first is the one we write.
REASONING_FIELDS = ("reasoning_content", "reasoning")


class Role(StrEnum):
    """The roles that dialects speak. ``INPUT`` is data by definition."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    INPUT = "input"


@value
class TextPart:
    """Text whose channel follows from its role. ``trust`` is the client's own label: it can only lower.

    ``cache`` marks that a vendor may cache all that ends with this part.
    """

    text: str
    path: str
    id: str | None = None
    origin: str | None = None
    trust: Trust | None = None
    subject: str | None = None
    cache: CacheLife | None = None


@value
class DataPart:
    """Text that the client itself declared as data."""

    text: str
    path: str
    id: str | None = None
    origin: str | None = None
    subject: str | None = None
    cache: CacheLife | None = None


@value
class MediaPart:
    """An inline image, sound or file; ``content`` is base64."""

    kind: MediaKind
    mime: str
    content: str
    path: str
    attributes: JsonObject
    id: str | None = None
    origin: str | None = None
    subject: str | None = None
    cache: CacheLife | None = None


@value
class RefusalPart:
    """A refusal that the assistant gave in an earlier turn: the one part that is never named and about nobody."""

    text: str
    path: str
    cache: CacheLife | None = None
    id: ClassVar[None] = None
    subject: ClassVar[None] = None


Part: TypeAlias = TextPart | DataPart | MediaPart | RefusalPart


@value
class Message:
    """One message as the client wrote it. ``path`` names it in errors: ``messages[2]``.

    ``listed`` says that its content was a list of parts and no string; ``reasoning`` is what a reply called the
    assistant's reasoning, sent back under the vendor's ``seals``. ``failed`` is a tool's result that is an error,
    ``cache`` a mark behind the whole message.
    """

    role: Role
    parts: tuple[Part, ...]
    path: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    listed: bool = False
    reasoning: str | None = None
    seals: tuple[Seal, ...] = ()
    failed: bool = False
    cache: CacheLife | None = None


@value
class Options:
    """How to generate.

    ``values`` are checked fields under their OpenAI chat names, sent upstream as they are; ``extra`` are fields that
    chat completions does not know, sent only to targets whose ``extra_params`` names them.
    """

    stream: bool = False
    include_usage: bool = False
    values: JsonObject = field(default_factory=dict[str, JsonValue])
    extra: JsonObject = field(default_factory=dict[str, JsonValue])


@value
class ClientRequest:
    """A request in domain terms, whatever dialect it came in.

    ``roleless`` says that its dialect has no roles: the client asked for no system message. ``subject`` is the person
    whom the request is about: a name that goes no further than the audit, which keeps a pseudonym of it. ``echo`` is
    what a reply in its dialect repeats of the request.
    """

    dialect: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    options: Options = field(default_factory=Options)
    min_isolation: Isolation | None = None
    roleless: bool = False
    subject: str | None = None
    echo: JsonObject = field(default_factory=dict[str, JsonValue])
