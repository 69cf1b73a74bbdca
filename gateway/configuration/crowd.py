"""How many may come at once, and how long may each of them take?"""

from typing import Final

from gateway.configuration.schema import ServerSection
from gateway.domain.value import value
from gateway.yamlfile.report import Report

_LOC: Final = ("server",)


@value
class Crowd:
    """Of each worker: requests in progress, those that wait for a place and for how long, connections, time limits.

    All times are seconds: for a request's head and body, without a request, without the client reading, to finish
    requests after a stop, and to go on serving as one that is about to stop.
    """

    max_concurrent: int = 2500
    max_queued: int = 250
    queue_timeout_s: float = 1.0
    max_connections: int = 10_000
    header_timeout_s: float = 20.0
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 30.0
    grace_s: float = 30.0
    drain_delay_s: float = 0.0


def build_crowd(section: ServerSection, report: Report) -> Crowd:
    """The section's values."""
    if section.max_connections < section.max_concurrent:
        report.add(
            (*_LOC, "max_connections"),
            f"there must be a connection for each of the {section.max_concurrent} requests of `server.max_concurrent`; "
            "raise this one, or lower that one",
        )
    if section.queue_timeout_s >= section.body_timeout_s:
        report.add(
            (*_LOC, "queue_timeout_s"),
            "a request that waits so long would run out of `server.body_timeout_s`; make it less",
        )
    return Crowd(
        max_concurrent=section.max_concurrent,
        max_queued=section.max_queued,
        queue_timeout_s=section.queue_timeout_s,
        max_connections=section.max_connections,
        header_timeout_s=section.header_timeout_s,
        body_timeout_s=section.body_timeout_s,
        idle_timeout_s=section.idle_timeout_s,
        write_timeout_s=section.write_timeout_s,
        grace_s=section.grace_s,
        drain_delay_s=section.drain_delay_s,
    )
