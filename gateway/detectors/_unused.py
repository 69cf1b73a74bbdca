"""What would libraries of detectors load wherever it is installed, though nothing here uses it?

Presidio and spaCy look for what runs transformers, which has its place where models are trained. None of their engines
that need it runs here, and loading it would take each process five seconds more and several times the memory.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

UNUSED: Final = ("torch", "transformers")


@contextmanager
def left_out(names: Sequence[str] = UNUSED) -> Generator[None]:
    """Imports within the context find no package of these ``names``; what is loaded already stays."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment] -- how Python is told that there is no such module
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
