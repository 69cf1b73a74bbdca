"""How much does each way of training help? ``make split-model`` trains them all, measures them and writes the page.

Takes hours: what is finished is not done again, and ``--only`` does a few runs alone, so that several processes may
share the work. ``--publish`` writes docs/split-model from what there is.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.splitting.figures import Group, Verdict, verdict
from benchmarks.splitting.page import page_of
from benchmarks.splitting.picture import draw
from benchmarks.splitting.plan import CONTROL, FACED, RUNS, SEEDS, SHIPPED, UNDEFENDED, Run
from benchmarks.splitting.runs import ANSWERS, answered, ask, seconds_a_step, train
from benchmarks.splitting.searching import search, searches
from gateway.training.adaptive import Broken
from gateway.training.loop import Progress

PAGES = ROOT / "docs" / "split-model"


def main() -> int:
    """Do what is still to be done."""
    names = [run.name for run in RUNS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="these runs alone")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "split-model", help="where runs are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write the page from the runs that there are")
    wanted = parser.parse_args()
    if not wanted.publish:
        for run in RUNS:
            if run.name in wanted.only:
                _do(run, wanted.out, wanted.threads)
    if wanted.publish or wanted.only == names:
        publish(wanted.out, PAGES)
    return 0


def _do(run: Run, out: Path, threads: int) -> None:
    def tell(progress: Progress) -> None:
        if progress.step % 20 == 0:
            print(f"{run.name}: step {progress.step}, loss {progress.loss:.3f}, {progress.seconds:.1f} s", flush=True)

    def found(one: Broken) -> None:
        print(f"{run.name}: {one.id} {'broken' if one.success else 'held'}", flush=True)

    train(run, out, threads, tell)
    ask(run, out, lambda done: print(f"{run.name}: {done} answers", flush=True))
    if run.family in FACED:
        search(run, out, found)


def publish(out: Path, pages: Path) -> None:
    """Write the page and the figures behind it."""
    done = [run for run in RUNS if (out / run.name / ANSWERS).exists()]
    named = groups(done, out)
    judged = _judged({group.name: group for group in named})
    steps = {run.family: seconds for run in done if (seconds := seconds_a_step(run, out)) is not None}
    pages.mkdir(parents=True, exist_ok=True)
    picture = next((file.name for file in draw(named, pages / "scores")), None)
    (pages / "README.md").write_text(page_of(named, judged, steps, picture), encoding="utf-8")
    raw = {run.name: _raw(run, out) for run in done}
    (pages / "raw.json").write_text(json.dumps(raw, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def _raw(run: Run, out: Path) -> dict[str, Any]:
    """Everything that the page's figures of a run come from."""
    return {
        "answers": {answer.case.id: answer.text for answer in answered(run, out)},
        "searched": [asdict(one) for one in searches(run, out) or ()],
    }


def groups(done: Sequence[Run], out: Path) -> list[Group]:
    """The runs by what they have in common but the seed."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for run in done:
        found[run.family].append(run)
    return [
        Group(
            name=name,
            runs=tuple(answered(run, out) for run in runs),
            searched=tuple([one.success for one in tried] for run in runs if (tried := searches(run, out)) is not None),
        )
        for name, runs in found.items()
    ]


def _judged(named: Mapping[str, Group]) -> Verdict | None:
    """None until the control and what ships have all their seeds, and what nothing defends has one."""
    ours, control, undefended = (named.get(name) for name in (SHIPPED.rpartition("-")[0], CONTROL, UNDEFENDED))
    if ours is None or control is None or undefended is None:
        return None
    whole = all(len(group.runs) == len(SEEDS) for group in (ours, control))
    return verdict(ours, control, undefended) if whole else None


if __name__ == "__main__":
    raise SystemExit(main())
