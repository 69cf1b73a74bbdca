"""What will the model be given, and which part of it may steer?

Instruction and data are different types, and nothing in the project turns ``Data`` into ``Instruction``: a type is
given once, in ``pipeline/lift.py``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Literal, TypeAlias

from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value

# The name of the synthetic tool whose "results" carry data: clients may neither define nor call it.
RESERVED_TOOL = "read_untrusted_data"

# For how long a vendor may keep what stands before a cache mark: Anthropic's words.
CacheLife: TypeAlias = Literal["5m", "1h"]
CACHE_LIVES: Final[tuple[CacheLife, ...]] = ("5m", "1h")


class Trust(IntEnum):
    """How far a text's author is trusted: ``untrusted`` if and only if the segment is data."""

    UNTRUSTED = 0
    USER = 1
    OPERATOR = 2

    # The lower-case word used in requests and replies.
    label: str

    def __init__(self, _: int) -> None:
        self.label = self.name.lower()


class InstructionKind(StrEnum):
    """How an instruction is held; stored programs and tuned embeddings will join."""

    TEXT = "text"


class MediaKind(StrEnum):
    """What a media segment holds."""

    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


class Speaker(StrEnum):
    """Whose turn it is. ``INPUT`` is the role that split-aware models know for data."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    INPUT = "input"


@value
class Instruction:
    """Text that may steer the model: the program. ``cache`` marks that a vendor may cache all that ends with it."""

    id: str
    origin: str
    text: str
    trust: Literal[Trust.OPERATOR, Trust.USER]
    kind: InstructionKind = InstructionKind.TEXT
    subject: str | None = None
    cache: CacheLife | None = None


@value
class Data:
    """Text to be worked on, that must never steer. ``subject`` is the person whom it is about, for the audit alone."""

    id: str
    origin: str
    text: str
    subject: str | None = None
    cache: CacheLife | None = None


@value
class Media:
    """An inline image, sound or file: data that is no text.

    ``content`` is base64; ``attributes`` are the dialect's harmless extras (``detail``, ``filename``, ``format``).
    """

    id: str
    origin: str
    kind: MediaKind
    mime: str
    content: str
    attributes: JsonObject
    subject: str | None = None
    cache: CacheLife | None = None


@value
class History:
    """What a client says the assistant said before: it keeps its role, and is filtered and scanned like data."""

    id: str
    text: str
    refusal: bool = False
    cache: CacheLife | None = None


@value
class Seal:
    """What a vendor asks for to take an assistant's reasoning back, beside its text.

    It covers the next ``length`` characters of the reasoning. ``token`` is the vendor's own and opaque: a signature, or
    the reasoning itself in a form that only the vendor reads. With ``hidden`` nothing of it was ever shown.
    """

    length: int
    token: str
    hidden: bool = False


DataSegment: TypeAlias = Data | Media
# The same for ``isinstance``, which looks into a tuple several times faster than into a union.
_DATA = (Data, Media)
Segment: TypeAlias = Instruction | Data | Media | History


@value
class ToolCall:
    """A call that the model made. ``arguments`` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@value
class Tool:
    """A function that the application offers to the model; ``parameters`` is its JSON schema."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None
    cache: CacheLife | None = None


@value
class Turn:
    """One message of the conversation.

    ``tool_calls`` stand only in assistant turns, ``call_id`` only in tool turns. A user turn may mix instructions and
    data in the order in which they were written; tool and input turns hold data alone. With ``listed`` the client
    wrote a list of parts, of which each became one segment. ``reasoning`` is an assistant's that the client sent back,
    under its ``seals``. ``failed`` says that a tool's result is an error. ``cache`` is a mark behind the whole turn.
    """

    speaker: Speaker
    segments: tuple[Segment, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    name: str | None = None
    listed: bool = False
    reasoning: str | None = None
    seals: tuple[Seal, ...] = ()
    failed: bool = False
    cache: CacheLife | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A lifted request: turns in the client's order, and the tools offered.

    ``roleless`` says that the client named no roles, so that an instruction stands where the gateway puts it. ``data``
    is every data segment in order, media included: put together once, since each format asks for it several times.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    roleless: bool = False
    data: tuple[DataSegment, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = tuple([s for turn in self.turns for s in turn.segments if isinstance(s, _DATA)])
        object.__setattr__(self, "data", found)

    def segments(self) -> Iterator[Segment]:
        """Every segment in order."""
        for turn in self.turns:
            yield from turn.segments

    @property
    def holds_data(self) -> bool:
        """Whether any data segment holds something: blanks and invisible characters alone are nothing to keep apart."""
        for segment in self.data:
            if isinstance(segment, Media):
                return True
            for char in segment.text:
                if char.isprintable() and not char.isspace():
                    return True
        return False

    @property
    def cached(self) -> bool:
        """Whether there is any cache mark."""
        for turn in self.turns:
            if turn.cache is not None:
                return True
            for segment in turn.segments:
                if segment.cache is not None:
                    return True
        return bool(self.tools) and any(tool.cache is not None for tool in self.tools)

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Every instruction in order."""
        return tuple([s for s in self.segments() if isinstance(s, Instruction)])
