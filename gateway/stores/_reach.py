"""Can Redis be counted on at present?

The first failure says no to everybody, so that requests do not wait one after the other. Whether it is there again is
found out beside them: it has to answer several times in a row, and more often each time that it is lost again soon, so
that one that comes and goes is not followed each time. No I/O and no clock: moments are given, in seconds.
"""

from typing import Final

NEEDED: Final = 3
MOST_NEEDED: Final = 24
CALM_S: Final = 60.0
FIRST_S: Final = 0.25
MOST_S: Final = 2.0


class Reach:
    """Begins unreached, and is reached by the first answer, since nobody knows better.

    ``since`` is the moment of the last change, ``changes`` how many there were.
    """

    def __init__(self, now: float, *, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._needed = 1
        self._answers = 0
        self._failures = 0
        self.reached = False
        self.since = now
        self.changes = 0

    def failed(self, now: float) -> bool:
        """It did not answer, or with an error; whether that changes something."""
        self._answers = 0
        if not self.reached:
            self._failures += 1
            return False
        # What was there for a moment alone has to show more than what was there for long.
        soon = self.changes > 1 and now - self.since < CALM_S
        self._needed = min(MOST_NEEDED, self._needed * 2) if soon else NEEDED
        self._failures = 0
        self._change(now, reached=False)
        return True

    def answered(self) -> bool:
        """It answered a trial; whether that is enough to come back."""
        self._answers += 1
        self._failures = 0
        return not self.reached and self._answers >= self._needed

    def back(self, now: float) -> None:
        """It has what it is owed: requests may ask it again."""
        self._answers = 0
        self._change(now, reached=True)

    def wait_s(self, chance: float) -> float:
        """How long to wait before the next trial; ``chance`` in [0, 1) sets many processes apart."""
        grown = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 10))
        return grown * (0.5 + chance / 2)

    def _change(self, now: float, *, reached: bool) -> None:
        self.reached = reached
        self.since = now
        self.changes += 1
