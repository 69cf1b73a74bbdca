"""How does the page say what a run came to?

Markdown, with contenders in rows. A cell is the median of the rounds with its range behind it; beside it stands how
many times the bare pass-through's figure of the same round it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import PASSTHROUGH
from benchmarks.figures import Spread
from benchmarks.figures import told as told_spread
from benchmarks.publishing.aims import Aim, aims_of
from benchmarks.publishing.reading import BARE, DIRECT, Line, Run, spread_of

TIMES_BARE: Final = "\u00d7 bare"
_HEAD: Final = f"""\
# What it costs
Written by `make bench` from [raw.json](raw.json); [how it is measured](../../benchmarks/README.md) stands elsewhere.

**How to read it.** Contenders take turns in one run on one machine; a cell is the median of the rounds, with its range
in brackets. A range as wide as the difference between two rows means that the run says nothing about it. A figure of
another machine is another figure: what carries over is "{TIMES_BARE}", how many times the figure of the bare
pass-through of the same run it is (uvicorn and aiohttp with nothing in between). Where "core used" is far below 1 at
many connections, as nginx's is, the load generator was at its end and not the server, which can do more than is shown.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A figure of each row; with ``beside`` how many times bare's it is, with ``added`` how much more than direct's."""

    title: str
    figure: str
    digits: int = 0
    beside: bool = False
    added: bool = False

    def titles(self) -> Sequence[str]:
        """One column, or two."""
        return (self.title, TIMES_BARE) if self.beside else (self.title,)

    def cells(self, line: Line, bare: Line | None, direct: Line | None) -> Sequence[str]:
        """As many."""
        if self.added:
            return (
                cell(
                    line.added(self.figure, direct) if direct is not None and direct is not line else None, self.digits
                ),
            )
        own = cell(line.spread(self.figure), self.digits)
        if not self.beside:
            return (own,)
        times = line.times(self.figure, bare) if bare is not None else None
        return (own, "-" if times is None else f"{times.median:,.2f}")


_WHOLE: Final = (
    Column(title="requests/s", figure="rate", beside=True),
    Column(title="CPU µs a request", figure="cpu_us", beside=True),
    Column(title="core used", figure="cpu_share", digits=2),
    Column(title="p50 ms", figure="latency_p50", digits=3, beside=True),
    Column(title="p99 ms", figure="latency_p99", digits=2, beside=True),
    Column(title="added p50 ms", figure="latency_p50", digits=3, added=True),
)
_STREAM: Final = (
    Column(title="chunks/s", figure="token_rate", beside=True),
    Column(title="CPU µs a chunk", figure="cpu_us", digits=1, beside=True),
    Column(title="first token p50 ms", figure="first_p50", digits=3, beside=True),
    Column(title="added p50 ms", figure="first_p50", digits=3, added=True),
    Column(title="added to each chunk, p50 ms", figure="delay_p50", digits=3, added=True),
)


def page_of(run: Run, charts: Mapping[str, str]) -> str:
    """The whole page; ``charts`` are file names with what they show, by the section that they stand in."""
    sections = (
        ("The run", _about(run.about)),
        ("Aims", _aims(aims_of(run))),
        ("Whole answers", _scenarios(run, _WHOLE, streams=False)),
        ("Streams", _scenarios(run, _STREAM, streams=True)),
        ("Rules", _rules(run)),
        ("Bodies", _bodies(run)),
        ("A flood of wrong keys", _flood(run)),
        ("Start and memory", _start(run)),
        ("Workers", _workers(run)),
        ("The journal's disk", _fsync(run)),
        ("What a request leaves elsewhere", _footprint(run)),
        ("Not measured", _skipped(run)),
    )
    told = [f"## {title}\n{_pictured(title, charts)}{text}" for title, text in sections if text]
    return "\n".join([_HEAD, *told])


def _pictured(section: str, charts: Mapping[str, str]) -> str:
    return "".join(f"![{what}]({name})\n\n" for name, what in charts.items() if what.startswith(f"{section}: "))


def cell(spread: Spread | None, digits: int) -> str:
    """The median, and its range where there is one."""
    return "-" if spread is None else told_spread(spread, digits)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words."""
    given = [*rows]
    if not given:
        return ""
    lines = ["| " + " | ".join(titles) + " |", "|---|" + "---:|" * (len(titles) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in given)]) + "\n"


def _about(about: Mapping[str, Any]) -> str:
    known = {**about.get("versions", {}), **about.get("others", {})}
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    rows = {
        "date": about.get("began"),
        "processor": f"{about.get('processor', '')}, {about.get('processors')} of them",
        "memory, kernel": f"{about.get('memory', '-')}, {about.get('kernel', '-')}",
        "cores": about.get("cores"),
        "Python": f"{about.get('python')}: {about.get('interpreter', '-')}",
        "versions": versions,
        "load average at the start": about.get("load_average", "-"),
        "command": f"`{about.get('command', '-')}`",
        "rounds": f"{about.get('rounds')} of {about.get('seconds')} s, after {about.get('warmup')} s of warm-up",
    }
    return table(("", ""), ((name, str(value)) for name, value in rows.items())).replace("|---|---:|", "|---|---|")


def _aims(aims: Sequence[Aim]) -> str:
    rows = [(one.what, one.words, cell(one.found, one.digits), one.verdict, one.note) for one in aims]
    return table(("aim", "", "measured", "", ""), rows).replace("|---|---:|---:|---:|---:|", "|---|---|---|---|---|")


def _scenarios(run: Run, columns: Sequence[Column], *, streams: bool) -> str:
    told: list[str] = []
    for scenario in run.scenarios:
        lines = run.lines.get(scenario["name"], {})
        if lines and bool(scenario["chunks"]) is streams:
            rows = [
                (
                    line.contender,
                    *(text for column in columns for text in column.cells(line, lines.get(BARE), lines.get(DIRECT))),
                )
                for line in lines.values()
            ]
            titles = (scenario["name"], *(title for column in columns for title in column.titles()))
            told.append(table(titles, rows))
    return "\n".join(told)


def _rules(run: Run) -> str:
    rows = run.kind("rules", "rows") or ()
    if not rows:
        return ""
    each = spread_of(run.kind("rules", "us_per_rule"))
    cells = [(str(r["rules"]), cell(spread_of(r["rate"]), 0), cell(spread_of(r["cpu_us"]), 0)) for r in rows]
    return f"{table(('rules', 'requests/s', 'CPU µs a request'), cells)}\nOne rule more: {cell(each, 2)} µs.\n"


def _bodies(run: Run) -> str:
    contenders = run.kind("bodies", "contenders") or ()
    bare = {row["bytes"]: row for one in contenders if one["contender"] == BARE for row in one["rows"]}
    rows = [
        (
            one["contender"], f"{row['bytes'] / 1024:,.0f}", cell(spread_of(row["cpu_us"]), 0),
            f"{row['cpu_us']['median'] / bare[row['bytes']]['cpu_us']['median']:,.2f}" if row["bytes"] in bare else "-",
            cell(spread_of(row["ns_per_byte"]), 1),
        )
        for one in contenders for row in one["rows"]
    ]  # fmt: skip
    words = [
        f"- {one['contender']}: a byte of the largest costs {one['growth']:.2f} times one of the second smallest: "
        f"{'linear' if one['linear'] else '**not linear**'} (at most {run.kind('bodies', 'threshold')})"
        for one in contenders
    ]
    titles = ("contender", "KB", "CPU µs a request", TIMES_BARE, "CPU ns a byte")
    return table(titles, rows) + ("\n" + "\n".join(words) + "\n" if words else "")


def _flood(run: Run) -> str:
    flood = run.kind("flood")
    if flood is None:
        return ""
    told = (
        f"{cell(spread_of(flood['refusals']), 0)} refusals a second over {flood['connections']} connections, "
        f"{cell(spread_of(flood['cpu_us_per_refusal']), 0)} µs CPU each. One honest connection meanwhile:\n\n"
    )
    rows = [
        (name, cell(spread_of(flood[key]["p50"]), 2), cell(spread_of(flood[key]["p99"]), 2))
        for name, key in (("alone", "alone"), ("in the flood", "flooded"))
    ]
    return told + table(("", "p50 ms", "p99 ms"), rows)


def _start(run: Run) -> str:
    starts = run.kind("startup", "starts") or ()
    bare = next((one["seconds"]["median"] for one in starts if one["server"] == PASSTHROUGH), None)
    told = table(
        ("start to ready", "s", TIMES_BARE),
        (
            (
                one["server"],
                cell(spread_of(one["seconds"]), 2),
                f"{one['seconds']['median'] / bare:,.2f}" if bare else "-",
            )
            for one in starts
        ),
    )
    held = table(
        ("process", "after", "PSS MB", "RSS MB", "its own MB"),
        (
            (row["process"], row["after"], *(f"{row[key]:,.0f}" for key in ("pss_mb", "rss_mb", "own_mb")))
            for row in run.kind("memory", "rows") or ()
        ),
    )
    return "\n".join(text for text in (told, held) if text)


def _workers(run: Run) -> str:
    rows = run.kind("workers", "rows") or ()
    if not rows:
        return ""
    cells = [(str(r["workers"]), cell(spread_of(r["rate"]), 0), cell(spread_of(r["cpu_us"]), 0)) for r in rows]
    measured, by_cpu = (cell(spread_of(run.kind("workers", key)), 2) for key in ("measured", "by_cpu"))
    whose = " (load and upstream shared the second worker's core)" if run.kind("workers", "shared") else ""
    told = f"Two workers do {measured} times what one does{whose}; by their CPU time alone {by_cpu} times.\n"
    return f"{table(('workers', 'requests/s', 'CPU µs a request'), cells)}\n{told}"


def _fsync(run: Run) -> str:
    fsync = run.kind("fsync")
    if fsync is None:
        return ""
    names = {
        "added_without": "added p50 at c=1 without journal", "added_with": "with journal",
        "journal": "the journal's share", "append": "2 KB appended and synced by themselves, p50",
        "append_p99": "the same, p99", "rest": "the journal's share without the disk's",
    }  # fmt: skip
    where = f" on {fsync['filesystem']}" if fsync.get("filesystem") else ""
    return table((f"ms{where}", ""), ((told, cell(spread_of(fsync[key]), 3)) for key, told in names.items()))


def _skipped(run: Run) -> str:
    whom = [(f"{one['what']}{', ' if one['contender'] else ''}{one['contender']}", one["why"]) for one in run.skipped]
    absent: Mapping[str, str] = run.about.get("left_out", {})
    return "".join(f"- {name}: {why}\n" for name, why in (*absent.items(), *whom))


def _footprint(run: Run) -> str:
    records, redis = run.kind("records"), run.kind("redis")
    told: list[str] = []
    if records is not None:
        told.append(
            f"- A request leaves {records['journal_bytes']:,.0f} bytes in {records['journal_records']:.1f} records of "
            f"the journal. It has {records['request_bytes']:,} bytes on the wire, its answer "
            f"{records['answer_bytes']:,}.\n"
        )
    if redis is not None:
        cpu_us = spread_of(redis["cpu_us"])
        told.append(
            f"- Limits counted in Redis ({redis['limits']}; {redis['at_once']} requests at once) take "
            f"{cell(cpu_us, 1)} \u00b5s of its CPU and {cell(spread_of(redis['commands']), 1)} commands a request.\n"
        )
    return "".join(told)
