"""Of which commit is the code that measures?"""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]


@cache
def revision() -> str | None:
    """The commit of the code, where it runs from a checkout, as it is when it is first asked for."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],  # noqa: S607 -- whichever git there is
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None
