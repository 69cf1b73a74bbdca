"""What does a run leave behind for people? A model card with every figure, and the loss as a picture."""
# matplotlib's functions take keywords of no known type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from gateway.domain.value import value
from gateway.evaluation.telling import fenced, plain

_NEAR = 20  # steps over which a loss is averaged where it is told as one number


@value
class Logged:
    """A step of the log."""

    step: int
    loss: float
    tokens: int
    seconds: float


def read_log(path: Path) -> tuple[Logged, ...]:
    """The steps of a run, in order."""
    entries = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return tuple([Logged(**{name: entry[name] for name in ("step", "loss", "tokens", "seconds")}) for entry in entries])


def model_card(title: str, settings: Mapping[str, str], figures: Mapping[str, str], command: str) -> str:
    """Markdown with the settings and figures, and as YAML in front of it."""
    everything = {**settings, **figures}
    front = "\n".join(f"{name}: {json.dumps(text)}" for name, text in everything.items())
    rows = "\n".join(f"| {name} | {plain(text)} |" for name, text in everything.items())
    return (
        f"---\n{front}\n---\n# {title}\n\nMade with\n\n{fenced(command)}\n\n"
        "How well it keeps data apart is measured by `splitgate evaluate`, and stands in its capability card.\n\n"
        f"| | |\n|---|---|\n{rows}\n"
    )


def log_figures(steps: Sequence[Logged]) -> dict[str, str]:
    """What the log comes to."""
    return {
        "loss_at_first": f"{fmean(step.loss for step in steps[:_NEAR]):.4f}",
        "loss_at_last": f"{fmean(step.loss for step in steps[-_NEAR:]):.4f}",
        "tokens": str(sum(step.tokens for step in steps)),
        "seconds": f"{sum(step.seconds for step in steps):.0f}",
        "seconds_a_step": f"{fmean(step.seconds for step in steps):.2f}",
    }


def plot_loss(steps: Sequence[Logged], path: Path) -> bool:
    """Draw the loss over the steps; False where what draws is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return False
    figure = Figure(figsize=(7, 3.5), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    losses = [step.loss for step in steps]
    numbers = [step.step for step in steps]
    axes.plot(numbers, losses, color="#56B4E9", linewidth=0.8, label="each step")
    means = [fmean(losses[max(0, at - _NEAR + 1) : at + 1]) for at in range(len(losses))]
    axes.plot(numbers, means, color="#0072B2", label=f"mean of {_NEAR}")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(path)
    return True
