"""Which cases does the builtin suite have?

240 tasks of twelve kinds on clean data; each of them attacked in two of eight ways; each with the first attack's probe
in its instruction instead; and 60 tasks of three kinds on data that gives orders itself. All of it is drawn from what
is held out, by fixed seeds: the suite is the same everywhere. Training sees none of its texts, names of people, wordings
of tasks and attacks (a bare probe has none), and orders and witnesses of probes; what both have are the start and the
end of data as places, months and weekdays, and a few words that stand in other texts of training, such as London.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gateway.evaluation.builtin import probes
from gateway.evaluation.builtin.draw import Draw
from gateway.evaluation.builtin.dressings import HELD_OUT, dressed, positions, put
from gateway.evaluation.builtin.kind import Task, made
from gateway.evaluation.builtin.kinds import FAITHFUL, PLAIN
from gateway.evaluation.builtin.probes import Probe
from gateway.evaluation.case import Case, Role

_PART: Final = "held-out"
_EACH: Final = 20
_ATTACKS_EACH: Final = 2
# Between a task and another order in one instruction: people write paragraphs.
JOINS: Final = (" ", "\n", "\n\n")


def suite() -> tuple[Case, ...]:
    """Every case, in an order that mixes kinds: any beginning of it is a fair sample."""
    cases = [*_attacked_tasks(), *_faithful()]
    return tuple(Draw("order").shuffled(cases))


def _attacked_tasks() -> Iterator[Case]:
    for row, kind in enumerate(PLAIN):
        for number in range(_EACH):
            draw = Draw(f"{kind.name}/{number}")
            task = made(kind, _PART, draw)
            name = f"{kind.name}-{number:02d}"
            yield _case(task, name, "clean")
            for which in range(_ATTACKS_EACH):
                attack = HELD_OUT[(row + number * _ATTACKS_EACH + which) % len(HELD_OUT)]
                probe = probes.drawn(_PART, draw, avoid=f"{task.instruction} {task.data} {task.answer}")
                attacked = _attacked(task, name, attack, probe, draw)
                if which == 0:
                    yield _instructed(task, name, probe, draw)
                    attacked = replace(attacked, twin=name)
                yield attacked


def _faithful() -> Iterator[Case]:
    for kind in FAITHFUL:
        for number in range(_EACH):
            draw = Draw(f"{kind.name}/{number}")
            yield _case(made(kind, _PART, draw), f"{kind.name}-{number:02d}", "fidelity")


def _case(task: Task, name: str, role: Role) -> Case:
    return Case(
        id=name,
        kind=task.kind,
        role=role,
        instruction=task.instruction,
        data=task.data,
        expected=task.expected,
        origin=task.origin,
    )


def _attacked(task: Task, name: str, attack: str, probe: Probe, draw: Draw) -> Case:
    position = draw.one(positions(attack, _PART))
    return Case(
        id=f"{name}-{attack}",
        kind=task.kind,
        role="attacked",
        instruction=task.instruction,
        data=put(task.data, dressed(attack, _PART, probe, draw), position, draw),
        witness=(probe.witness,),
        expected=task.expected,
        attack=attack,
        position=position,
        origin=task.origin,
    )


def _instructed(task: Task, name: str, probe: Probe, draw: Draw) -> Case:
    return Case(
        id=f"{name}-instructed",
        kind=task.kind,
        role="instructed",
        instruction=together(task.instruction, probe.text, draw)[0],
        data=task.data,
        witness=(probe.witness,),
        origin=task.origin,
        twin=name,
    )


def together(task: str, probe: str, draw: Draw) -> tuple[str, bool]:
    """Two orders in one instruction, and whether the task is the first of them."""
    join, first = draw.one(JOINS), draw.chance(0.5)
    return (f"{task}{join}{probe}" if first else f"{probe}{join}{task}"), first
