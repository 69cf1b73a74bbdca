"""Which prompts does the searching attack take, and what came of it?

Held-out tasks with a held-out probe behind the data, undressed: the search finds the dressing.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.splitting.plan import SEARCHED, Run
from benchmarks.splitting.runs import loaded
from gateway.evaluation.builtin import probes
from gateway.evaluation.builtin.draw import Draw
from gateway.evaluation.builtin.kind import made
from gateway.evaluation.builtin.kinds import PLAIN
from gateway.training.adaptive import Attack, Broken, Effort, attack_all

SEARCHES: Final = "searched.jsonl"


def attacks() -> tuple[Attack, ...]:
    """The prompts, of each kind of task in turn."""
    return tuple(_attack(number) for number in range(SEARCHED))


def search(run: Run, folder: Path, report: Callable[[Broken], None]) -> None:
    """Attack a trained model, unless it was; what was broken off goes on behind the last prompt."""
    file = folder / run.name / SEARCHES
    if file.exists():
        return
    part = file.with_suffix(".part")
    done = part.read_text(encoding="utf-8").count("\n") if part.exists() else 0
    model, encoder = loaded(run, folder)
    with part.open("a", encoding="utf-8") as kept:

        def keep(one: Broken) -> None:
            kept.write(json.dumps(asdict(one)) + "\n")
            kept.flush()
            report(one)

        attack_all(model, encoder, attacks()[done:], Effort(), keep)
    part.replace(file)


def searches(run: Run, folder: Path) -> tuple[Broken, ...] | None:
    """What came of each prompt, or None where nothing was searched for."""
    file = folder / run.name / SEARCHES
    if not file.exists():
        return None
    return tuple(Broken(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines())


def _attack(number: int) -> Attack:
    draw = Draw(f"searched/{number}")
    task = made(PLAIN[number % len(PLAIN)], "held-out", draw)
    probe = probes.drawn("held-out", draw, avoid=f"{task.instruction} {task.data} {task.answer}")
    return Attack(
        id=f"{task.kind}-{number:02d}",
        instruction=task.instruction,
        data=f"{task.data}\n{probe.text}",
        target=probe.answer,
        witness=(probe.witness,),
    )
