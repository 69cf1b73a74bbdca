"""Does the gateway live, and may it be sent requests?

Both listeners answer that alike: the one that applications reach, and the one for whoever watches, which has room for a
probe when the first has none.
"""

from collections.abc import Callable, Mapping
from typing import Final

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"


class Readiness:
    """``ready`` says whether everything is there that requests need; ``stopping`` that a stop was announced."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self.stopping = False

    def healthz(self) -> tuple[int, Mapping[str, str]]:
        """Status and JSON: whoever can say this lives."""
        return 200, {"status": "ok"}

    def readyz(self) -> tuple[int, Mapping[str, str]]:
        """Status and JSON."""
        if self.stopping:
            return 503, {"status": "stopping"}
        return (200, {"status": "ready"}) if self._ready() else (503, {"status": "starting"})
