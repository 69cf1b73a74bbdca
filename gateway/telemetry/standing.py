"""What is said of policies, break-glass grants, limits and targets, which nobody counts request by request?

Read now and then, not when it changes: what a scrape shows is at most a second old.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping

from gateway.domain.activation import GlassState, PolicyState
from gateway.pipeline.breaker import State
from gateway.pipeline.condition import Standing
from gateway.telemetry import families
from gateway.telemetry.totals import Figures, Labels, Totals


class PolicyFigures:
    """The policies of one worker."""

    def __init__(self, totals: Totals, worker: str, state: Callable[[], PolicyState]) -> None:
        self._state = state
        self._worker = worker
        self._info = totals.of(families.POLICY_INFO)
        self._loads = totals.of(families.POLICY_LOADS)
        # What processes before this one counted in its place.
        self._before = {result: self._loads[result,] for result in ("activated", "failed")}
        self._shown: Labels | None = None

    def read(self) -> None:
        """Bring the figures up to date."""
        state = self._state()
        self._loads["activated",] = self._before["activated"] + state.activations
        self._loads["failed",] = self._before["failed"] + state.failures
        shown = (self._worker, state.revision or "", state.source or "")
        if shown != self._shown:
            if self._shown is not None:
                self._info[self._shown] = 0.0
            self._info[shown] = 1.0
            self._shown = shown


class GlassFigures:
    """Break-glass grants as one worker sees them."""

    def __init__(self, totals: Totals, state: Callable[[], GlassState]) -> None:
        self._state = state
        self._in_force = totals.of(families.BREAK_GLASS)
        self._requests: Figures = totals.of(families.BREAK_GLASS_REQUESTS)
        self._before = self._requests[()]

    def read(self) -> None:
        """Bring the figures up to date."""
        state = self._state()
        self._in_force[()] = float(state.grant is not None)
        self._requests[()] = self._before + state.requests


class LimitFigures:
    """How full the limits of one worker are; ``fullest`` says it by their names, and is cleared by the reading."""

    def __init__(self, totals: Totals, fullest: MutableMapping[str, float]) -> None:
        self._ratio = totals.of(families.LIMIT_FULLEST)
        self._fullest = fullest

    def read(self) -> None:
        """Bring the figures up to date."""
        for (rule,) in self._ratio:
            self._ratio[rule,] = 0.0
        for rule, ratio in self._fullest.items():
            self._ratio[rule,] = ratio
        self._fullest.clear()


class TargetFigures:
    """How one worker's targets are doing."""

    def __init__(self, totals: Totals, standings: Callable[[], Iterable[Standing]]) -> None:
        self._standings = standings
        self._state = totals.of(families.TARGET_STATE)
        self._resting = totals.of(families.TARGET_RESTING)
        self._pending = totals.of(families.TARGET_PENDING)

    def read(self) -> None:
        """Bring the figures up to date."""
        for one in self._standings():
            for state in State:
                self._state[one.target, state.value] = float(one.state is state)
            self._resting[one.target,] = float(one.resting_s > 0)
            self._pending[one.target,] = float(one.pending)


class MountedFigures:
    """What stands in mounted files, by the names that the configuration has for it.

    ``stale`` says what cannot be used at present, ``ends`` when certificates do, in seconds since the epoch.
    """

    def __init__(
        self, totals: Totals, *, stale: Callable[[], Mapping[str, bool]], ends: Callable[[], Mapping[str, float]]
    ) -> None:
        self._read_stale = stale
        self._read_ends = ends
        self._stale = totals.of(families.SECRET_STALE)
        self._ends = totals.of(families.CERTIFICATE_EXPIRES)

    def read(self) -> None:
        """Bring the figures up to date."""
        for name, stale in self._read_stale().items():
            self._stale[name,] = float(stale)
        for name, ends in self._read_ends().items():
            self._ends[name,] = ends
