"""Which options has ``splitgate train``?

Declared here, carried out in ``train``; as for the other commands, nothing is loaded before it runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import MethodChoice


def train(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the adapter, its log and checkpoints go.")],
    *,
    method: Annotated[MethodChoice, typer.Option(help="How the model learns to tell data.")] = MethodChoice.STRUQ,
    data: Annotated[
        str, typer.Option(metavar="FILE|builtin", help="JSONL with instruction, input and output; or our own tasks.")
    ] = "builtin",
    count: Annotated[int, typer.Option(min=1, help="Examples to make, if they are our own.")] = 1600,
    adversarial: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the examples whose data holds an attack.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="What everything random follows from.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps to make.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="Examples a step.")] = 8,
    rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 1e-3,
    warm_up: Annotated[int, typer.Option(min=0, help="Steps until the rate is reached.")] = 20,
    longest: Annotated[int, typer.Option(min=16, help="Tokens of the longest example that is used.")] = 512,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")] = 50,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")] = False,
    base: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A causal language model, instead of the embedded one.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Begin with what a finished run has learned.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 1,
    device: Annotated[str, typer.Option(help="What to compute on: cpu, cuda.")] = "cpu",
    exact: Annotated[bool, typer.Option("--exact", help="Compute in 32 bits throughout, twice as slowly.")] = False,
    beta: Annotated[float, typer.Option(min=0, help="secalign: how far the model may go from its start.")] = 0.1,
    answer_weight: Annotated[float, typer.Option(min=0, help="secalign: weight of the plain answer loss.")] = 0.0,
    angle: Annotated[float, typer.Option(help="aside: degrees by which data is rotated.")] = 90.0,
    ramp: Annotated[int, typer.Option(min=0, help="aside: steps until the whole angle is reached.")] = 0,
    full_layers: Annotated[int, typer.Option(min=0, help="First layers that learn whole, beside LoRA.")] = 0,
) -> None:
    """Train a model to tell instructions from data: LoRA matrices, with the figures of how it went."""
    from gateway.cli.told import told  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.train import Wanted  # noqa: PLC0415
    from gateway.cli.train import train as run_train  # noqa: PLC0415

    wanted = Wanted(
        method=method.value,
        seed=seed,
        steps=steps,
        data=data,
        count=count,
        adversarial=adversarial,
        out=out,
        base=base,
        start=start,
        resume=resume,
        threads=threads,
        device=device,
        batch=batch,
        rate=rate,
        warm_up=warm_up,
        longest=longest,
        checkpoint_every=checkpoint_every,
        exact=exact,
        beta=beta,
        answer_weight=answer_weight,
        angle=angle,
        ramp=ramp,
        full_layers=full_layers,
    )
    with told():
        run_train(wanted)
