"""Which traces are recorded?

What the caller said counts; where nobody said anything, a share of all traces by their ids, as OpenTelemetry's
TraceIdRatioBased does it, so that every service with the same share keeps the same traces.
"""

from collections.abc import Callable
from typing import Final

from gateway.domain.trace import Trace

_LOW: Final = (1 << 64) - 1


def sampling(share: float) -> Callable[[Trace], bool]:
    """Whether a trace is to be recorded; ``share`` lies between 0 and 1."""
    bound = round(share * (_LOW + 1))

    def sampled(trace: Trace) -> bool:
        if trace.sampled is not None:
            return trace.sampled
        return int(trace.id, 16) & _LOW < bound

    return sampled
