"""How does a conversation read in the messages of a chat completions API?

``Transcript`` takes a prompt's blocks in order and writes messages in OpenAI's shape. The rules: two texts share a
message only if the client put them in one turn, or if the gateway itself chose the place of one of them; and what the
client wrote as a list of parts stays those parts (``_parts.py``).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from adapters.formats._joins import Piece
from adapters.formats._parts import Group, Item, Listed, content_of
from adapters.formats._sieve import HISTORY, TOOLS, Sieve
from adapters.formats._turns import MERGED_NOTE, Returned, Role, Said, Told, in_a_row, piece
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import History, Media, Prompt, Tool, ToolCall, Trust
from gateway.domain.target import Endpoint, Layout

REASONING_NOTE: Final = "reasoning-left-out"


class Transcript:
    """Messages so far, and the one that may still grow.

    ``merged`` says that instructions of operator and user stand in one of them, ``unreasoned`` that an assistant's
    reasoning was left out.
    """

    __slots__ = (
        "_groups",
        "_messages",
        "_name",
        "_reasoning_field",
        "_role",
        "_sieve",
        "_trust",
        "_turn",
        "merged",
        "unreasoned",
    )

    def __init__(self, sieve: Sieve, reasoning_field: str | None = None) -> None:
        self._sieve = sieve
        self._reasoning_field = reasoning_field
        self.unreasoned = False
        self._messages: list[JsonObject] = []
        self._role: Role | None = None
        self._turn: int | None = None
        self._name: str | None = None
        self._groups: list[Item] = []
        # Of the instructions that were put last into the message that may still grow.
        self._trust: Trust | None = None
        self.merged = False

    def tell(self, told: Told, *, after: Sequence[Group] = ()) -> None:
        """Put instructions, and then texts of the format's own, in the instructions' role."""
        self._continue(told.role, told.turn, told.name)
        trust = told.instructions[0].trust
        if self._trust is not None and trust is not self._trust:
            self.merged = True
        self._trust = trust
        self._groups.append(told)
        if after:
            self._groups += after

    def put(self, groups: Iterable[Group | Listed], *, role: Role = "user", turn: int | None = None) -> None:
        """Put texts in a message of the role."""
        self._continue(role, turn, None)
        self._groups += groups

    def show(self, media: Iterable[Media], turn: int | None, name: str | None = None) -> None:
        """Put media in a user message, under the user's name."""
        self._continue("user", turn, name)
        self._groups += media

    def say(self, said: Said) -> None:
        """Add an assistant's turn."""
        message: dict[str, JsonValue] = {"role": "assistant", **self._words(said)}
        # No server of this protocol takes a vendor's seals.
        self.unreasoned = self.unreasoned or bool(said.seals)
        if said.reasoning is not None:
            if self._reasoning_field is None:
                self.unreasoned = True
            else:
                message[self._reasoning_field] = self._sieve.words(said.reasoning, HISTORY)
        if said.calls:
            message["tool_calls"] = [tool_call(call, self._sieve) for call in said.calls]
        if said.name is not None:
            message["name"] = said.name
        self.add(message)

    def _words(self, said: Said) -> JsonObject:
        """What the assistant said: a text, a refusal, or the parts of both."""
        if said.listed:
            parts = tuple([Piece(text=h.text, where=HISTORY) for h in said.history])
            refused = frozenset([index for index, h in enumerate(said.history) if h.refusal])
            return {"content": content_of([Listed(parts=parts, refused=refused)], self._sieve) if parts else None}
        content = [h for h in said.history if not h.refusal]
        words: dict[str, JsonValue] = {"content": self._history(content) if content else None}
        if len(content) < len(said.history):
            words["refusal"] = self._history([h for h in said.history if h.refusal])
        return words

    def _history(self, history: Sequence[History]) -> str:
        return self._sieve.joined(in_a_row([(Piece(text=h.text, where=HISTORY),) for h in history]))

    def result(self, returned: Returned) -> None:
        """Add a tool's result as it is."""
        texts = [piece(data) for data in returned.data]
        groups = [Listed(parts=tuple(texts))] if returned.listed and texts else [(text,) for text in texts]
        self.add(tool_result(returned.call_id, content_of(groups, self._sieve), returned.name))

    def add(self, message: JsonObject) -> None:
        """Add a message as it is: its texts are clean."""
        if self._role is not None:
            self._flush(self._role)
        self._messages.append(message)

    def finish(self) -> list[JsonObject]:
        """All messages."""
        if self._role is not None:
            self._flush(self._role)
        return self._messages

    def _continue(self, role: Role, turn: int | None, name: str | None) -> None:
        placed = self._turn is None or turn is None or turn == self._turn
        renamed = name is not None and self._name is not None and self._name != name
        if self._role != role or not placed or renamed:
            if self._role is not None:
                self._flush(self._role)
            self._role = role
            self._name = name
        # What stands first in a message may have had no name to say.
        self._name = self._name or name
        self._turn = turn

    def _flush(self, role: Role) -> None:
        """Close the message of ``role`` that may grow no more."""
        message: JsonObject = {"role": role, "content": content_of(self._groups, self._sieve)}
        self._messages.append(message if self._name is None else {**message, "name": self._name})
        self._role = None
        self._groups = []
        self._trust = None


def tool_call(call: ToolCall, sieve: Sieve) -> JsonObject:
    """A call that the assistant made."""
    function: JsonObject = {"name": call.name, "arguments": sieve.arguments(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def tool_result(call_id: str | None, content: JsonValue, name: str | None = None) -> JsonObject:
    """A tool's message; its content is clean."""
    message: JsonObject = {"role": "tool", "tool_call_id": call_id, "content": content}
    return message if name is None else {**message, "name": name}


def offered(tools: Iterable[Tool], sieve: Sieve) -> list[JsonValue]:
    """The tools, their descriptions and those in their schemas clean.

    Raises:
        NotSayable: a schema holds a reserved token elsewhere.
    """
    return [
        {"type": "function", "function": _function(tool, sieve, f"tools[{index}].function")}
        for index, tool in enumerate(tools)
    ]


def _function(tool: Tool, sieve: Sieve, param: str) -> JsonObject:
    function: dict[str, JsonValue] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = sieve.words(tool.description, TOOLS)
    if tool.parameters is not None:
        function["parameters"] = sieve.schema(tool.parameters, TOOLS, f"{param}.parameters")
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def chat_layout(
    format_name: str,
    prompt: Prompt,
    sieve: Sieve,
    transcript: Transcript,
    isolation: Isolation,
    *,
    more: JsonObject | None = None,
    datamark: str | None = None,
) -> Layout:
    """The layout of a finished transcript; ``isolation`` counts if the prompt has data, ``more`` joins the body."""
    body: dict[str, JsonValue] = {"messages": transcript.finish()}
    if more:
        body |= more
    if prompt.tools:
        body["tools"] = offered(prompt.tools, sieve)
    notes = (MERGED_NOTE,) if transcript.merged else ()
    return Layout(
        format=format_name,
        endpoint=Endpoint.CHAT,
        body=body,
        isolation=isolation if prompt.data else None,
        removals=sieve.removals,
        notes=(*notes, REASONING_NOTE) if transcript.unreasoned else notes,
        datamark=datamark,
    )
