"""How is one training of the comparison made and measured?

Trained as ``splitgate train`` does it, then asked the whole builtin suite. What is finished is not done again: a run
that was broken off goes on where it stopped.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.splitting.plan import ANSWER, Run
from gateway.evaluation.builtin.suite import suite
from gateway.evaluation.outcome import Answer
from gateway.training.base import embedded_base, load_model, load_tokenizer
from gateway.training.data import BUILTIN
from gateway.training.generate import answers
from gateway.training.layout import Encoder
from gateway.training.loop import LOG, Progress, Settings, prepare
from gateway.training.methods.options import MethodOptions
from gateway.training.methods.registry import METHODS
from gateway.training.model import SplitModel
from gateway.training.run import SETTINGS, Order, carry_out, trained

ANSWERS: Final = "answers.jsonl"
BATCH: Final = 8


def order_of(run: Run, folder: Path, threads: int) -> Order:
    """What ``splitgate train`` is asked for."""
    return Order(
        base=embedded_base(os.environ),
        out=folder / run.name,
        data=BUILTIN,
        count=run.steps * BATCH,
        adversarial=run.adversarial if run.start is None else 1.0,
        settings=Settings(
            method=run.method,
            seed=run.seed,
            steps=run.steps,
            batch=BATCH,
            rate=run.rate,
            options=MethodOptions(ramp=run.ramp),
        ),
        start=None if run.start is None else folder / run.start,
        resume=True,
        threads=threads,
    )


def train(run: Run, folder: Path, threads: int, report: Callable[[Progress], None]) -> None:
    """Train it, unless it was."""
    if run.steps and not (folder / run.name / SETTINGS).exists():
        carry_out(order_of(run, folder, threads), report)


def loaded(run: Run, folder: Path) -> tuple[SplitModel, Encoder]:
    """The model as it came out, and how its prompts are laid out."""
    base = embedded_base(os.environ)
    if run.steps:
        model, tokenizer, _ = trained(folder / run.name, base)
    else:
        # LoRA that has learned nothing adds nothing.
        model, tokenizer = prepare(load_model(base), Settings(method=run.method, seed=0, steps=0)), load_tokenizer(base)
        model.eval()
    return model, Encoder(tokenizer, METHODS[run.method].layout)


def ask(run: Run, folder: Path, report: Callable[[int], None]) -> None:
    """Have it answer the suite, unless it has."""
    file = folder / run.name / ANSWERS
    if file.exists():
        return
    model, encoder = loaded(run, folder)
    cases = suite()
    began = time.perf_counter()
    texts = answers(model, encoder, [(case.instruction, case.data) for case in cases], most=ANSWER, report=report)
    each_s = (time.perf_counter() - began) / len(cases)
    lines = [
        json.dumps({"id": case.id, "text": text, "seconds": round(each_s, 3)})
        for case, text in zip(cases, texts, strict=True)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(file)


def seconds_a_step(run: Run, folder: Path) -> float | None:
    """The median, as it was logged; None where nothing was trained."""
    log = folder / run.name / LOG
    if not log.exists():
        return None
    return median(json.loads(line)["seconds"] for line in log.read_text(encoding="utf-8").splitlines())


def answered(run: Run, folder: Path) -> tuple[Answer, ...]:
    """What it answered, case by case."""
    told = (json.loads(line) for line in (folder / run.name / ANSWERS).read_text(encoding="utf-8").splitlines())
    by_id = {one["id"]: one for one in told}
    return tuple(
        Answer(
            case=case,
            text=by_id[case.id]["text"],
            refused=None,
            input_tokens=0,
            output_tokens=0,
            latency_s=by_id[case.id]["seconds"],
        )
        for case in suite()
    )
