"""What do the figures look like?

A picture for each idea. Dots with a whisker are the median of the rounds and their range. matplotlib is known to this
file alone, since it is a developer's package.
"""

# Its functions take keywords of no known type.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.figures import Spread
from benchmarks.publishing.reading import BARE, DIRECT, Line, Run, spread_of

_GATEWAY: Final = "#1f5fa8"
_BARE: Final = "#2e2e2e"
_OTHER: Final = "#c7772e"
_AIM: Final = "#a01c1c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said of a chart; ``beside`` is the figure of which is told how many times bare's it is."""

    title: str
    unit: str
    beside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """An aim, drawn as a line with a word on it."""

    at: float
    word: str


def charts_of(run: Run, folder: Path) -> Mapping[str, str]:
    """Draw what the run has figures for: file names, and what each shows, with the section that it belongs to."""
    drawn: dict[str, str] = {}
    for name, what, draw in _CHARTS:
        figure = Figure(figsize=(9, 4.8), dpi=140, layout="constrained")
        # One of another run would stand there as if it were this one's.
        (folder / name).unlink(missing_ok=True)
        if draw(run, figure.add_subplot()):
            FigureCanvasAgg(figure).print_png(folder / name)
            drawn[name] = what
    return drawn


def _rates(run: Run, axes: Axes) -> bool:
    """Requests a second, with everything in between."""
    words = Words(
        title="Requests a second on one core, 2 KB prompts, 32 connections",
        unit="requests/s, the more the better",
        beside="rate",
    )
    bounds = (Bound(at=2_500, word="aim, all on"), Bound(at=5_000, word="aim, bare"))
    return _bars(axes, run, _of(run, "whole c=32", "rate"), words, bounds)


def _added(run: Run, axes: Axes) -> bool:
    """What one request waits longer."""
    lines = run.lines.get("whole c=1", {})
    direct = lines.get(DIRECT)
    others = [line for line in lines.values() if line is not direct] if direct is not None else []
    added = [(line, line.added("latency_p50", direct)) for line in others if direct is not None]
    found = [(line, spread) for line, spread in added if spread is not None and spread.low > 0]
    words = Words(title="Added to one request (p50), 2 KB prompts, 1 connection", unit="ms, the less the better")
    return _bars(axes, run, found, words, (Bound(at=0.5, word="aim, no journal"), Bound(at=1.0, word="aim, journal")))


def _chunks(run: Run, axes: Axes) -> bool:
    """What a chunk of a stream costs."""
    words = Words(
        title="CPU of one chunk of a stream, 32 streams with a chunk each 5 ms",
        unit="CPU µs a chunk, the less the better",
        beside="cpu_us",
    )
    found = [(line, spread) for line, spread in _of(run, "stream c=32", "cpu_us") if line.contender != DIRECT]
    return _bars(axes, run, found, words, (Bound(at=40, word="aim, guarded"),))


def _of(run: Run, scenario: str, figure: str) -> Sequence[tuple[Line, Spread]]:
    lines = run.lines.get(scenario, {}).values()
    return [(line, found) for line in lines if (found := line.spread(figure)) is not None and found.median > 0]


def _bars(axes: Axes, run: Run, found: Sequence[tuple[Line, Spread]], words: Words, bounds: Sequence[Bound]) -> bool:
    """Bars on a log scale, the first contender on top."""
    if not found:
        return False
    places = range(len(found), 0, -1)
    medians = [spread.median for _, spread in found]
    least = [spread.median - spread.low for _, spread in found]
    most = [spread.high - spread.median for _, spread in found]
    axes.barh(
        places, medians, xerr=(least, most), color=[_colour(line.contender) for line, _ in found], height=0.68,
        error_kw={"ecolor": "#888888", "capsize": 3, "lw": 1.2}, zorder=2,
    )  # fmt: skip
    right = max(spread.high for _, spread in found)
    for place, (line, spread) in zip(places, found, strict=True):
        axes.annotate(
            _told(run, line, spread, words.beside), (spread.high, place), xytext=(7, 0), textcoords="offset points",
            va="center", fontsize=9, bbox={"fc": "white", "ec": "none", "pad": 1},
        )  # fmt: skip
    for bound, side in zip(bounds, ("right", "left"), strict=False):
        axes.axvline(bound.at, color=_AIM, lw=1, ls="--", zorder=1)
        axes.annotate(
            bound.word, (bound.at, len(found) + 0.55), xytext=(-3 if side == "right" else 3, 1),
            textcoords="offset points", ha=side, va="bottom", fontsize=8, color=_AIM, annotation_clip=False,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(min(*medians, *(bound.at for bound in bounds)) / 2, right * 5)
    axes.set_ylim(0.4, len(found) + 0.55)
    axes.set_yticks(list(places), [line.contender for line, _ in found])
    _dress(axes, words.title, words.unit)
    return True


def _told(run: Run, line: Line, spread: Spread, beside: str | None) -> str:
    told = f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:,.3g}"
    bare = _bare_beside(run, line)
    times = line.times(beside, bare) if beside is not None and bare is not None and bare is not line else None
    if times is None:
        return told
    return f"{told}   {times.median:,.{0 if times.median >= 10 else 2}f}\u00d7 bare"


def _bare_beside(run: Run, line: Line) -> Line | None:
    return next((them[BARE] for them in run.lines.values() if line in them.values() and BARE in them), None)


def _sizes(run: Run, axes: Axes) -> bool:
    """CPU of a request over the size of its body."""
    curves: dict[str, dict[int, Spread]] = {}
    for scenario in run.scenarios:
        if not scenario["chunks"] and scenario["connections"] == 32 and not scenario.get("calls"):
            for name in (BARE, "gateway chat"):
                line = run.line(scenario["name"], name)
                found = line.spread("cpu_us") if line is not None else None
                if found is not None:
                    curves.setdefault(name, {})[scenario["body_bytes"]] = found
    for one in run.kind("bodies", "contenders") or ():
        name = BARE if one["contender"] == BARE else "gateway chat"
        for row in one["rows"]:
            found = spread_of(row["cpu_us"])
            if found is not None:
                curves.setdefault(name, {})[row["bytes"]] = found
    for name, points in curves.items():
        sizes = sorted(points)
        spreads = [points[size] for size in sizes]
        medians = [spread.median for spread in spreads]
        errors = ([s.median - s.low for s in spreads], [s.high - s.median for s in spreads])
        axes.errorbar(
            [size / 1024 for size in sizes], medians, yerr=errors, marker="o", ms=4, capsize=3, color=_colour(name)
        )  # fmt: skip
        axes.annotate(
            name, (sizes[-1] / 1024, medians[-1]), xytext=(8, 0), textcoords="offset points", va="center",
            color=_colour(name),
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(x=0.15)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_ylabel("CPU µs a request, the less the better")
    _dress(axes, "CPU of a request over the size of its body", "KB of body")
    axes.grid(visible=True, axis="y", color="#e3e3e3", zorder=0)
    return bool(curves)


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, pad=18)
    axes.set_xlabel(unit)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="x", color="#e3e3e3", zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _plain(value: float, _: object) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _colour(contender: str) -> str:
    if contender in (BARE, DIRECT):
        return _BARE
    return _GATEWAY if contender.startswith("gateway") else _OTHER


_CHARTS: Final[Sequence[tuple[str, str, Callable[[Run, Axes], bool]]]] = (
    ("rates.png", "Whole answers: requests a second at 32 connections", _rates),
    ("added.png", "Whole answers: what one request waits longer", _added),
    ("chunks.png", "Streams: CPU of a chunk", _chunks),
    ("sizes.png", "Bodies: CPU over the size of the body", _sizes),
)
