"""Where does a measurement run, and by what was it asked for?

A figure without this is nobody's: another machine, another build of Python, another load give another one.
"""

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def surroundings() -> Mapping[str, str | float]:
    """Processor, memory, kernel, interpreter, load and command, for people."""
    return {
        "processor": _field(_text("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "memory": _memory(_field(_text("/proc/meminfo"), "MemTotal")),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "interpreter": interpreter(),
        "load_average": load_average(),
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
    }


def interpreter() -> str:
    """Which build of Python runs this: one with profile-guided optimisation is another program.

    It is told as it was configured; a distribution may have optimised it all the same.
    """
    asked = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    version = f"{platform.python_implementation()} {'.'.join(platform.python_version_tuple()[:2])}"
    return f"{version}, configured {'with' if asked else 'without'} --enable-optimizations"


def load_average() -> float:
    """The machine's load over the last minute; 0 where there is no such thing."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def _memory(told: str) -> str:
    return f"{int(told.split(maxsplit=1)[0]) / 1e6:,.0f} GB" if told else ""


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8")
    return ""


def _field(text: str, name: str) -> str:
    found = next((line for line in text.splitlines() if line.startswith(name)), "")
    return found.partition(":")[2].strip()
