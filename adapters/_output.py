"""Where does this process write?

The engine's library prints schemas and grammars to standard error whatever its verbosity. So both standard streams end
in nothing while it runs, and our own lines, which never carry a request's text, have a descriptor to themselves.
"""

import os
from collections.abc import Callable


def silence() -> Callable[[str], None]:
    """Send descriptors 1 and 2 to nowhere, for good; the answer writes a line where standard error was."""
    private = os.dup(2)  # not inheritable
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)

    def say(text: str) -> None:
        os.write(private, f"splitgate: {text}\n".encode())

    return say
