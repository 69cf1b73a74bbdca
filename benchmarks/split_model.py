"""How much does each way of training help? ``make split-model`` trains them all, and measures them.

Takes hours: what is finished is not done again, and ``--only`` does a few runs alone, so that several processes may
share the work.
"""

import argparse
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.splitting.plan import RUNS
from benchmarks.splitting.runs import ask, train
from gateway.training.loop import Progress


def main() -> int:
    """Do what is still to be done."""
    names = [run.name for run in RUNS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="these runs alone")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "split-model", help="where runs are kept")
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    for name in wanted.only:
        run = next(run for run in RUNS if run.name == name)

        def tell(progress: Progress, name: str = name) -> None:
            if progress.step % 20 == 0:
                print(f"{name}: step {progress.step}, loss {progress.loss:.3f}, {progress.seconds:.1f} s", flush=True)

        def count(done: int, name: str = name) -> None:
            print(f"{name}: {done} answers", flush=True)

        train(run, wanted.out, wanted.threads, tell)
        ask(run, wanted.out, count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
