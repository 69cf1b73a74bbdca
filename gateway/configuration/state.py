"""Where is kept what outlives a process?

Each configuration file has a folder of its own, so that two gateways of one person never take over each other's
policies or grants. The folder is only named here; whoever keeps something makes it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.configuration.secrets import Surroundings

# For service users without a home.
_SYSTEM: Final = Path("/var/lib/splitgate")


def state_dir(given: str | None, file: str, surroundings: Surroundings) -> Path:
    """The folder that the configuration ``file`` names, or its own below the user's folder for state."""
    if given is not None:
        return (surroundings.folder / given).absolute()
    return _user_state(surroundings.environ) / hashlib.sha256(str(Path(file).absolute()).encode()).hexdigest()[:16]


def _user_state(environ: Mapping[str, str]) -> Path:
    # The XDG specification has relative paths ignored.
    named, home = Path(environ.get("XDG_STATE_HOME", "")), Path(environ.get("HOME", ""))
    if named.is_absolute():
        return named / "splitgate"
    return home / ".local" / "state" / "splitgate" if home.is_absolute() else _SYSTEM
