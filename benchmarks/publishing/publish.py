"""What is written to docs/benchmarks after a run?

The page, its pictures and the raw figures behind them, by ``bench.py --publish``. By hand, from a file that a run has
kept: ``python benchmarks/publishing/publish.py benchmarks/results/….json``.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import ROOT
from benchmarks.publishing.page import page_of
from benchmarks.publishing.reading import run_of, trimmed

PAGES: Final = ROOT / "docs" / "benchmarks"


def publish(raw: Mapping[str, Any], folder: Path = PAGES) -> None:
    """Write them."""
    # With the package that draws: a quick trial has no use for it.
    from benchmarks.publishing.charts import charts_of  # noqa: PLC0415

    run = run_of(raw)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page_of(run, charts_of(run, folder)), encoding="utf-8")
    (folder / "raw.json").write_text(json.dumps(trimmed(raw), indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Publish a file of raw figures."""
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    publish(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), *map(Path, sys.argv[2:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
