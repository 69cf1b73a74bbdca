"""What does a request cost whose code and objects are no longer in the processor's caches?

One request after the other, without server and network, and between two of them so much other memory is read: what a
busy server does by itself, with the kernel, other requests and other programs on the same core.
"""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.canned import at_once
from benchmarks.contenders import CONTENDERS
from benchmarks.inside import inside, scope_of, through
from benchmarks.policing import Effort, times
from benchmarks.scenarios import SCENARIOS
from benchmarks.site import site_in, write_config

_KILOBYTES: Final = (0, 256, 1024, 4096, 16_384)
# For each of them, at the most.
_MOST_S: Final = 30.0


def main() -> int:
    """Print a row for each amount of memory."""
    parser = argparse.ArgumentParser(description="What a request costs out of cold caches.")
    parser.add_argument("--contender", default="gateway chat", help="which gateway, by its name in contenders.py")
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    contender = next((one for one in CONTENDERS if one.name == given.contender), None)
    if contender is None:
        parser.error("there is no such contender; see benchmarks/bench.py --list")
    key, scenario = secrets.token_urlsafe(32), SCENARIOS[0]
    table = Table(title=f"{contender.name}: a request in one process, without its journal", title_justify="left")
    table.add_column("read between two requests, KB", justify="right")
    table.add_column("a request, µs", justify="right")
    with tempfile.TemporaryDirectory(prefix="splitgate-cold-") as folder:
        site = site_in(Path(folder), 1)
        write_config(site, key, [scenario])
        gateway = inside(site, contender, scenario)
        scope = scope_of(contender, key, len(gateway.body))
        effort = Effort(seconds=_MOST_S, most=given.requests)
        for kilobytes in _KILOBYTES:
            # Not zeros: the kernel would have one page for all of them.
            other = b"\x02" * (kilobytes * 1024)
            steps = {"other": lambda other=other: other.count(1), "request": lambda: at_once(through(gateway, scope))}
            table.add_row(f"{kilobytes:,}", f"{times(steps, effort)['request'].low:,.0f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
