"""What do the figures look like?

One picture: attack success against utility, a dot for each format with its intervals; the best are low and far to the
right. matplotlib is known to this file alone, and imported when something is drawn: nothing needs it to serve.
"""

# Its functions take keywords of no known type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.domain.card import Score
from gateway.domain.value import value
from gateway.evaluation.outcome import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which nobody takes for one another, less the yellow; a shape beside each.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_SHAPES: Final = ("o", "s", "^", "D", "v", "P", "X", "*")


class PlotsUnavailable(RuntimeError):
    """What draws is not installed."""


@value
class _Point:
    """A format's place, and what it is called."""

    name: str
    utility: Score
    attacks: Score


def plot(measured: Sequence[Measured], stem: Path, title: str) -> tuple[Path, ...]:
    """Draw ``stem``.png and ``stem``.svg; nothing where no format has both scores.

    Raises:
        PlotsUnavailable: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415 -- an extra
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotsUnavailable("no plots: install what draws them with pip install 'splitgate[evaluate]'") from error
    points = _points(measured)
    if not points:
        return ()
    figure = Figure(figsize=(8.5, 5.2), dpi=140, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    _draw(figure.add_subplot(), points, title)
    drawn = (stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg"))
    # The same figures are the same file, whenever they are drawn; and its words can be searched for.
    with rc_context({"svg.hashsalt": "splitgate", "svg.fonttype": "none"}):
        figure.savefig(drawn[0], metadata={"Software": None})
        figure.savefig(drawn[1], metadata={"Date": None})
    return drawn


def _points(measured: Sequence[Measured]) -> list[_Point]:
    several = len({one.model for one in measured}) > 1
    return [
        _Point(name=f"{one.model}, {one.format}" if several else one.format, utility=utility, attacks=attacks)
        for one in measured
        if (utility := one.outcome.scores.utility) and (attacks := one.outcome.scores.attack_success)
    ]


def _draw(axes: "Axes", points: Sequence[_Point], title: str) -> None:
    for number, point in enumerate(points):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.errorbar(
            point.utility.value * 100, point.attacks.value * 100, xerr=_whiskers(point.utility),
            yerr=_whiskers(point.attacks), color=colour, marker=_SHAPES[number % len(_SHAPES)], ms=9, mec="white",
            capsize=3, lw=1.2, ls="none", label=point.name, zorder=3,
        )  # fmt: skip
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel("utility: clean cases answered rightly, %, the more the better")
    axes.set_ylabel("attack success: probes followed, %, the less the better")
    axes.set_xlim(-2, 102)
    axes.set_ylim(-2, max(10.0, *(point.attacks.high * 100 for point in points)) * 1.08)
    axes.grid(visible=True, color="#e3e3e3", zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    # Beside the dots: formats that do alike lie on one another, and names there would too.
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, title="with 95% intervals", alignment="left")


def _whiskers(score: Score) -> tuple[tuple[float], tuple[float]]:
    return ((score.value - score.low) * 100,), ((score.high - score.value) * 100,)
