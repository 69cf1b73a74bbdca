"""How does a worker process begin?

``python -m gateway.worker …``: ``working.py`` says the rest. The rule: nothing of the gateway is imported before
Python's collector is off. What a start makes stays, and looking through it again and again was a fourteenth of that
start; ``working.py`` turns the collector on again when the worker serves.
"""

import gc
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 says that the configuration cannot be used."""
    gc.disable()
    try:
        from gateway.working import work  # noqa: PLC0415 - see the module's docstring

        return work(arguments)
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
