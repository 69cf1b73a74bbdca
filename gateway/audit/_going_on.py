"""How does work that repeats go on after it failed in a way that nobody foresaw?"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from gateway.domain.errors import AuditUnavailable

_log: Final = logging.getLogger("splitgate.audit")


class GoingOn:
    """Passes over errors. Of those that are no matter of the disk, each class is told of once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    @contextmanager
    def after(self, what: str) -> Generator[None]:
        """Go on, even if ``what`` fails."""
        try:
            yield
        except (AuditUnavailable, OSError):
            # Whoever waits for a record is told of that; here the next turn tries again.
            return
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be the last turn
            name = type(error).__name__
            if name not in self._told:
                self._told.add(name)
                _log.error("audit: %s failed (%s), and is tried again; report it", what, name)
