"""How do all workers of a gateway hear of a reload that one of them was asked for? Their supervisor tells them.

By another signal than an operator's: whoever may have policies reloaded takes up no changed configuration by that.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

SUPERVISOR: Final = "SPLITGATE_SUPERVISOR"


def ask_all_workers(environ: Mapping[str, str]) -> bool:
    """Have the supervisor tell each worker to reload; false where this process has none.

    The process id in ``environ`` counts only while it is the parent's: nobody else's process is ever signalled.
    """
    parent = os.getppid()
    if environ.get(SUPERVISOR) != str(parent):
        return False
    try:
        os.kill(parent, signal.SIGUSR1)
    except OSError:
        return False
    return True
