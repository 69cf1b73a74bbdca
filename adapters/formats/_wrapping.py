"""Where does data stand that has no place of its own: wrapped in marks, in a message that may hold instructions too?

Data keeps its place: in the user's message, or in the tool's. A rule for the model stands in the system message and is
always the same, so that requests with the same instructions share the text before the first data. Behind the last data
the task may be said once more.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from adapters.formats._chat import Transcript, tool_result
from adapters.formats._parts import Group, Listed, groups_of
from adapters.formats._turns import Block, Given, Returned, Said, Shown, Told
from gateway.domain.prompt import Data

# Small models do best with a short rule in the system message and the task before and behind the data: with the rule in
# the user message they work on the rule.
_LEAD: Final = "You do the user's task. "


def place_all(
    blocks: Sequence[Block],
    transcript: Transcript,
    *,
    wrap: Callable[[Data], Group],
    result: Callable[[Returned], str],
    rule: str | None,
) -> None:
    """Put every block in its place; ``wrap`` makes the text of a piece of data, ``result`` a tool message's content."""
    after = [(rule,)] if rule else []
    if rule and not (isinstance(blocks[0], Told) and blocks[0].role == "system"):
        transcript.put([(_LEAD + rule,)], role="system")
        after = []
    for block in blocks:
        match block:
            case Told():
                transcript.tell(block, after=after)
                after = []
            case Given():
                transcript.put([wrap(data) for data in block.data], turn=block.turn)
            case Shown():
                transcript.show(block.media, block.turn, block.name)
            case Said():
                transcript.say(block)
            case Returned():
                transcript.add(tool_result(block.call_id, result(block), block.name))
            case _:
                assert_never(block)


def task_again(blocks: Sequence[Block]) -> list[Group | Listed]:
    """What to say again behind the last data: the user's last words, if data follows them and nothing else does."""
    behind = [block for block in reversed(blocks) if not isinstance(block, Shown)]
    if not behind or not isinstance(behind[0], Given):
        return []
    task: list[Group | Listed] = []
    for block in behind:
        if isinstance(block, Told) and block.role == "user":
            task[:0] = groups_of(block)
        elif isinstance(block, Said | Returned) and task:
            break
    return task
