"""Which items of a request were one answer of the assistant's?

The responses API tells an answer as items: reasoning, what was said, each call. The domain, and chat completions, know
one message for all of it. Items that follow one another are one answer, but for a second thing that was said: it is a
message of its own, with the reasoning that came right before it. Where a call stands in between it is not, since a
call's result has to follow the message that holds the call.
"""

from dataclasses import dataclass, field

from gateway.dialects._checks import wrong
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.request import Message, Part, Role, TextPart
from gateway.domain.value import value


@value
class Reasoning:
    """One reasoning item: what can be read of it, and its seals."""

    text: str
    seals: tuple[Seal, ...]
    path: str


@dataclass(slots=True)
class Said:
    """What the assistant said, while its items are read; ``messages`` are those before it as well."""

    messages: list[Message]
    _path: str | None = None
    _parts: list[Part] = field(default_factory=list[Part])
    _calls: list[ToolCall] = field(default_factory=list[ToolCall])
    _thoughts: list[Reasoning] = field(default_factory=list[Reasoning])
    # Reasoning of which only the next item tells whether it belongs to this message or to another one.
    _ahead: list[Reasoning] = field(default_factory=list[Reasoning])

    def think(self, reasoning: Reasoning) -> None:
        """Take a reasoning item."""
        self._begin(reasoning.path)
        self._ahead.append(reasoning)

    def say(self, parts: tuple[Part, ...], path: str) -> None:
        """Take a message."""
        if self._parts and not self._calls:
            ahead, self._ahead = self._ahead, []
            self._close()
            self._ahead = ahead
            path = ahead[0].path if ahead else path
        self._settle(path)
        self._parts += parts

    def call(self, call: ToolCall, path: str) -> None:
        """Take a call."""
        self._settle(path)
        self._calls.append(call)

    def end(self) -> None:
        """Another one speaks, or nobody does any more.

        Raises:
            InvalidField: there is reasoning without an answer.
        """
        if self._path is not None:
            self._settle(self._path)
            self._close()

    def _begin(self, path: str) -> None:
        self._path = self._path or path

    def _settle(self, path: str) -> None:
        """The reasoning ahead belongs to this message."""
        self._begin(path)
        self._thoughts += self._ahead
        self._ahead = []

    def _close(self) -> None:
        path = self._path or ""
        if not self._parts and not self._calls:
            raise wrong(path, "be followed by the message or the function call that this reasoning led to")
        reasoning, seals = _joined(self._thoughts)
        texts = [part for part in self._parts if isinstance(part, TextPart)]
        self.messages.append(
            Message(
                role=Role.ASSISTANT,
                parts=tuple(self._parts),
                path=path,
                tool_calls=tuple(self._calls),
                # An answer's content is a list always: a single text in it is as good as a string.
                listed=len(texts) > 1,
                reasoning=reasoning or None,
                seals=seals,
            )
        )
        self._path = None
        self._parts, self._calls, self._thoughts = [], [], []


def _joined(thoughts: list[Reasoning]) -> tuple[str, tuple[Seal, ...]]:
    """The reasoning in one, under all its seals."""
    texts: list[str] = []
    seals: list[Seal] = []
    written = covered = 0
    for thought in thoughts:
        if thought.seals and covered < written:
            raise wrong(
                f"{thought.path}.encrypted_content", "be left out: the reasoning before it in the same answer has none"
            )
        gap = "\n\n" if written and thought.text and not seals and not thought.seals else ""
        texts += (gap, thought.text)
        seals += thought.seals
        written += len(gap) + len(thought.text)
        covered += sum([seal.length for seal in thought.seals])
    return "".join(texts), tuple(seals)
