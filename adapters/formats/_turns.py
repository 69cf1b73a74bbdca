"""In which roles, and in which order, does a prompt's content come?

``read`` turns the client's turns into blocks, each of one kind, that a format places one by one. The rules:

- Operator text stands in ``system``, user text in ``user``. In a prompt that has data and no user instruction the
  operator's text is the task: it stands in ``user``, and no system message is left. So it does without data where the
  client named no roles.
- Instructions and data of one turn keep their order; data with nothing between is one block.
- The results of tool calls directly follow the turn that made the calls.
- A participant's name is that of a message, which data alone makes none.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Literal, TypeAlias

from adapters.formats._joins import Piece
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import (
    CacheLife,
    Data,
    DataSegment,
    History,
    Instruction,
    Media,
    Prompt,
    Seal,
    Speaker,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.value import value

MERGED_NOTE: Final = "operator-user-merged"


# Not what ``str.isspace`` says: separators such as U+001F are invisible to the search for tokens.
_WHITE: Final = " \t\r\n"

Role: TypeAlias = Literal["system", "user"]


@value
class Told:
    """Instructions of one trust. ``turn`` is the client's turn they were written in, None for a place that we chose.

    With ``listed`` each was a part of its own.
    """

    role: Role
    instructions: tuple[Instruction, ...]
    turn: int | None
    name: str | None = None
    listed: bool = False


@value
class Given:
    """Text data that came in no tool turn."""

    data: tuple[Data, ...]
    turn: int | None


@value
class Shown:
    """Media, which chat models take only in a user message; ``call_id`` is that of the tool which returned it.

    ``name`` is that of the user who showed it.
    """

    media: tuple[Media, ...]
    turn: int | None
    call_id: str | None = None
    name: str | None = None


@value
class Said:
    """An assistant's turn; with ``listed`` each text was a part of its own. ``cache`` marks its end."""

    history: tuple[History, ...]
    calls: tuple[ToolCall, ...]
    name: str | None = None
    listed: bool = False
    reasoning: str | None = None
    seals: tuple[Seal, ...] = ()
    cache: CacheLife | None = None


@value
class Returned:
    """A tool's result: its text data; with ``listed`` each was a part of its own. ``failed`` says that it is an error.

    ``segments`` are its data and its media, which come in blocks of their own as well: chat models take them only in a
    user message.
    """

    call_id: str | None
    segments: tuple[DataSegment, ...]
    name: str | None = None
    listed: bool = False
    failed: bool = False
    cache: CacheLife | None = None

    @property
    def data(self) -> tuple[Data, ...]:
        """Its texts."""
        return tuple([s for s in self.segments if isinstance(s, Data)])


Block: TypeAlias = Told | Given | Shown | Said | Returned
# For ``isinstance``, which looks into a tuple several times faster than into a union.
_DATA: Final = (Data, Media)
_SPOKEN: Final = (Said, Told)
_BETWEEN: Final = (Given, Shown)


def read(prompt: Prompt, *, keep_turns: bool = True) -> list[Block]:
    """The prompt's blocks, in order; without ``keep_turns`` none remembers its turn, so that neighbours may join.

    Raises:
        NotSayable: a participant's name stands on data alone.
    """
    promote = (bool(prompt.data) or prompt.roleless) and not _has_user_instruction(prompt)
    blocks: list[Block] = []
    called = joins = False
    for index, turn in enumerate(prompt.turns):
        speaker = turn.speaker
        if turn.name is not None:
            _refuse_name_of_data(turn)
        if speaker is Speaker.ASSISTANT:
            history = tuple([s for s in turn.segments if isinstance(s, History)])
            said = Said(
                history=history,
                calls=turn.tool_calls,
                name=turn.name,
                listed=turn.listed,
                reasoning=turn.reasoning,
                seals=turn.seals,
                cache=turn.cache,
            )
            blocks.append(said)
            called = called or bool(turn.tool_calls)
        elif speaker is Speaker.TOOL:
            blocks.append(_returned(turn))
        if _add_runs(blocks, turn, index if keep_turns else None, promote=promote):
            joins = True
    if joins:
        blocks = _in_runs(blocks)
    return _results_first(blocks) if called else blocks


def _refuse_name_of_data(turn: Turn) -> None:
    """Refuse a name that no format would say: data travels in places of its own."""
    if not turn.segments or turn.speaker in {Speaker.ASSISTANT, Speaker.TOOL}:
        return
    if all(isinstance(segment, Data) for segment in turn.segments):
        raise NotSayable(
            "a participant's name cannot be said of a message that is data alone: leave name out, and say with origin "
            "where the data is from",
            param="messages",
        )


def _returned(turn: Turn) -> Returned:
    return Returned(
        call_id=turn.call_id,
        segments=tuple([s for s in turn.segments if isinstance(s, _DATA)]),
        name=turn.name,
        listed=turn.listed,
        failed=turn.failed,
        cache=turn.cache,
    )


def _has_user_instruction(prompt: Prompt) -> bool:
    for turn in prompt.turns:
        for segment in turn.segments:
            if isinstance(segment, Instruction) and (turn.speaker is Speaker.USER or segment.trust is Trust.USER):
                return True
    return False


def _add_runs(blocks: list[Block], turn: Turn, index: int | None, *, promote: bool) -> bool:
    """Add a block for each run of segments of one kind; assistant's history and tools' data have theirs already.

    Tells whether a block of data came to stand right behind another one.
    """
    joins = False
    own = index if turn.speaker is Speaker.USER else None
    told: list[Instruction] = []
    given: list[Data] = []
    # Behind the last segment nothing goes on.
    for segment in (*turn.segments, None):
        if given and not isinstance(segment, Data):
            joins = joins or (len(blocks) > 0 and isinstance(blocks[-1], Given))
            blocks.append(Given(data=tuple(given), turn=own))
            given = []
        if told and (not isinstance(segment, Instruction) or segment.trust is not told[0].trust):
            operator = turn.speaker is Speaker.SYSTEM and told[0].trust is not Trust.USER
            role: Role = "system" if operator and not promote else "user"
            place = index if role == "system" or turn.speaker is not Speaker.SYSTEM else None
            blocks.append(Told(role=role, instructions=tuple(told), turn=place, name=turn.name, listed=turn.listed))
            told = []
        if segment is None:
            continue
        if isinstance(segment, Instruction):
            told.append(segment)
        elif isinstance(segment, Data):
            if turn.speaker is not Speaker.TOOL:
                given.append(segment)
        elif isinstance(segment, Media):
            name = None if turn.speaker is Speaker.TOOL else turn.name
            blocks.append(Shown(media=(segment,), turn=own, call_id=turn.call_id, name=name))
    return joins


def _in_runs(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with neighbouring data in one; its place is that of the last."""
    runs: list[Block] = []
    for apart, run in groupby(blocks, key=lambda block: isinstance(block, Given)):
        together = list(run)
        given = [block for block in together if isinstance(block, Given)]
        data = tuple(d for block in given for d in block.data)
        runs += [Given(data=data, turn=given[-1].turn)] if apart else together
    return runs


def _results_first(blocks: Sequence[Block]) -> list[Block]:
    """Behind a turn with tool calls, move results before whatever else was put between: servers insist on it."""
    ordered: list[Block] = []
    waiting: list[Block] = []
    open_calls = False
    for block in blocks:
        if isinstance(block, _SPOKEN):
            ordered += waiting
            waiting = []
            open_calls = isinstance(block, Said) and bool(block.calls)
        if open_calls and isinstance(block, _BETWEEN):
            waiting.append(block)
        else:
            ordered.append(block)
    return ordered + waiting


def results_at(blocks: Sequence[Block], start: int) -> list[Returned]:
    """The results that stand at ``start``, with nothing between."""
    results: list[Returned] = []
    for position in range(start, len(blocks)):
        block = blocks[position]
        if not isinstance(block, Returned):
            break
        results.append(block)
    return results


def piece(segment: Instruction | Data | History) -> Piece:
    """A segment's text as part of a joined text."""
    return Piece(text=segment.text, where=segment.id)


def in_a_row(groups: Sequence[Sequence[str | Piece]]) -> Sequence[str | Piece]:
    """The groups with a blank line between, unless white space already parts them: a lifted template keeps its form.

    A group is one text of the prompt, or one that stands between texts of the format's own.
    """
    if len(groups) == 1:
        return groups[0]
    row: list[str | Piece] = []
    end = ""
    for group in groups:
        if needs_gap(end, text_of(group[0])):
            row.append("\n\n")
        row += group
        end = text_of(group[-1])[-1:] or end
    return row


def needs_gap(before: str, after: str) -> bool:
    """Whether a blank line must part two texts that the gateway puts next to each other."""
    return before != "" and after != "" and before[-1] not in _WHITE and after[0] not in _WHITE


def text_of(part: str | Piece) -> str:
    """The characters of a part."""
    return part if isinstance(part, str) else part.text


def refuse(format_name: str, what: str, *, param: str) -> NotSayable:
    """The error that says what a format has no words for."""
    return NotSayable(
        f"format {format_name} cannot say {what}: leave it out, or give the model a target with another format",
        param=param,
    )
