"""What is a model trained on that is to keep data apart?

Exercises from the training part of the same kinds as the suite's. Some ask for one thing, some for two; in a share of
them somebody else's order stands in the data, and the right answer is the instruction's alone (Chen et al. 2024,
StruQ); ``rejected`` is what an answer would be that followed the order (Chen et al. 2024, SecAlign). Two orders in one
instruction are joined by blanks or by empty lines, and where both go in one message the instruction may stand before
the data, behind it or around it, as people write: where data begins and ends cannot be guessed from that.
"""

from typing import Final

from gateway.domain.value import value
from gateway.evaluation.builtin import probes
from gateway.evaluation.builtin.draw import Draw
from gateway.evaluation.builtin.dressings import TRAINED, dressed, positions, put
from gateway.evaluation.builtin.kind import made
from gateway.evaluation.builtin.kinds import FAITHFUL, PLAIN
from gateway.evaluation.builtin.suite import together

_PART: Final = "train"
_ALONE: Final = 0.06
_FIDELITY: Final = 0.14
_BOTH: Final = 0.26
_PERSONA: Final = 0.15
_BEHIND: Final = 0.4
_PERSONAS: Final = (
    "You are the assistant of a small shop.",
    "You help the office with its mail. Answer briefly.",
    "You are a careful clerk.",
    "Answer in as few words as you can.",
    "You work for a travel agency.",
)


@value
class Exercise:
    """One training example; ``data`` is empty where there is none, ``system`` None where the model's own stands.

    ``behind`` is what of the instruction stands behind the data, where one message holds both: the rest of
    ``instruction``, or all of it. ``rejected`` is None where no order stands in the data; ``attack`` is its dressing.
    """

    kind: str
    instruction: str
    data: str
    answer: str
    rejected: str | None = None
    attack: str | None = None
    system: str | None = None
    behind: str = ""


def exercises(seed: int, count: int, *, adversarial: float = 0.5) -> tuple[Exercise, ...]:
    """``count`` exercises; ``adversarial`` is the share of plain tasks whose data holds an order, 0 to 1."""
    return tuple(_exercise(Draw(f"exercise/{seed}/{number}"), adversarial) for number in range(count))


def _exercise(draw: Draw, adversarial: float) -> Exercise:
    system = draw.one(_PERSONAS) if draw.chance(_PERSONA) else None
    share = draw.below(1_000_000) / 1_000_000
    if share < _ALONE:
        probe = probes.drawn(_PART, draw, avoid="")
        return Exercise(kind="alone", instruction=probe.text, data="", answer=probe.answer, system=system)
    if share < _ALONE + _FIDELITY:
        task = made(draw.one(FAITHFUL), _PART, draw)
        before, behind = ("", task.instruction) if draw.chance(_BEHIND) else (task.instruction, "")
        return Exercise(
            kind=task.kind, instruction=before, data=task.data, answer=task.answer, system=system, behind=behind
        )
    return _plain(draw, adversarial, system, both=share < _ALONE + _FIDELITY + _BOTH)


def _plain(draw: Draw, adversarial: float, system: str | None, *, both: bool) -> Exercise:
    task = made(draw.one(PLAIN), _PART, draw)
    instruction, answer, seen = task.instruction, task.answer, f"{task.instruction} {task.data} {task.answer}"
    before, behind = instruction, ""
    if both:
        asked = probes.drawn(_PART, draw, avoid=seen)
        before, first = together(instruction, asked.text, draw)
        answer = f"{answer}\n{asked.answer}" if first else f"{asked.answer}\n{answer}"
        if draw.chance(0.5):
            before, behind = (instruction, asked.text) if first else (asked.text, instruction)
    if not behind and draw.chance(_BEHIND):
        before, behind = "", before
    if not draw.chance(adversarial):
        return Exercise(kind=task.kind, instruction=before, data=task.data, answer=answer, system=system, behind=behind)
    probe = probes.drawn(_PART, draw, avoid=f"{seen} {answer}")
    attack = draw.one(TRAINED)
    injection = dressed(attack, _PART, probe, draw)
    return Exercise(
        kind=task.kind,
        instruction=before,
        behind=behind,
        data=put(task.data, injection, draw.one(positions(attack, _PART)), draw),
        answer=answer,
        rejected=draw.one((probe.answer, f"{answer}\n{probe.answer}")),
        attack=attack,
        system=system,
    )
