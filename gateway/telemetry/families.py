"""Which metrics are there?

One table: what is counted, exposed, documented and drawn on the dashboard is looked up here. Labels hold only what the
configuration, the policies or the code can name, never what a caller wrote.
"""

from enum import StrEnum
from typing import Final

from gateway.domain.value import value

PREFIX: Final = "splitgate_"
# The variables by which a process finds the folder of figures, and knows what its own files there are called by: a
# worker's is its number, with a letter where another one of that number still writes to the files without.
FOLDER: Final = "SPLITGATE_METRICS_DIR"
WORKER: Final = "SPLITGATE_WORKER"
SECOND: Final = "b"
# Said for a label that is not known: a model that nobody configured, an isolation of what was never laid out.
UNKNOWN: Final = "(unknown)"


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Across(StrEnum):
    """What the processes' gauges of one name and the same labels come to; those of a dead process are gone."""

    SUM = "livesum"
    MOST = "livemax"
    LEAST = "livemin"


@value
class Family:
    """One metric, its samples told apart by ``labels``. Times are in seconds. ``buckets`` are upper bounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Across = Across.SUM


_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


def _counter(name: str, about: str, *labels: str) -> Family:
    return Family(name=f"{PREFIX}{name}", kind=Kind.COUNTER, help=about, labels=labels)


def _gauge(name: str, about: str, *labels: str, across: Across = Across.SUM) -> Family:
    return Family(name=f"{PREFIX}{name}", kind=Kind.GAUGE, help=about, labels=labels, across=across)


def _histogram(name: str, about: str, *labels: str, buckets: tuple[float, ...]) -> Family:
    return Family(name=f"{PREFIX}{name}", kind=Kind.HISTOGRAM, help=about, labels=labels, buckets=buckets)


REQUESTS: Final = _counter(
    "requests_total", "Requests that are over.", "dialect", "operation", "model", "decision", "isolation", "status"
)
FINDINGS: Final = _counter(
    "findings_total",
    "Rules that hit, whether they acted or only watched.",
    "policy",
    "rule",
    "action",
    "weight",
    "stage",
)
ERRORS: Final = _counter("errors_total", "Requests that ended in an error, by its code.", "code")
LIMIT_REFUSALS: Final = _counter(
    "limit_refusals_total", "Requests that a limit or a budget refused.", "rule", "measure"
)
LIMIT_FULLEST: Final = _gauge(
    "limit_fullest_ratio", "How full the fullest count of a rule was in the last second: 1 is all that it allows.",
    "rule", across=Across.MOST,
)  # fmt: skip
LIMITS_TOGETHER: Final = _gauge(
    "limits_together", "1 while a worker counts limits in Redis with others, 0 while it counts alone.", "worker",
    across=Across.MOST,
)  # fmt: skip
LIMITS_CHANGES: Final = _counter(
    "limits_redis_changes_total", "How often workers lost Redis, and came back to it.", "to"
)
LIMITS_SECONDS: Final = _histogram(
    "limits_redis_seconds", "How long Redis took to say whether a request may pass.", buckets=_FAST
)
IN_FLIGHT: Final = _gauge("in_flight", "Requests under way.", "dialect")
REQUEST_SECONDS: Final = _histogram(
    "request_seconds",
    "From a request's arrival to the last byte of its answer.",
    "dialect",
    "operation",
    buckets=_SLOW,
)
GATEWAY_SECONDS: Final = _histogram(
    "gateway_seconds",
    "What of that was the gateway's own: all but the upstream's answer.",
    "dialect",
    "operation",
    buckets=_FAST,
)
UPSTREAM_SECONDS: Final = _histogram(
    "upstream_seconds", "How long the upstream took, to the end of its answer.", "target", buckets=_SLOW
)
UPSTREAM_FIRST_SECONDS: Final = _histogram(
    "upstream_first_seconds", "How long the upstream took to begin its answer.", "target", buckets=_SLOW
)
UPSTREAM_ATTEMPTS: Final = _counter(
    "upstream_attempts_total", "Calls of upstreams, by what became of them.", "target", "outcome"
)
UPSTREAM_RETRIES: Final = _counter(
    "upstream_retries_total", "Those among them that were made once more for the same request.", "target"
)
TARGET_STATE: Final = _gauge(
    "target_state", "Workers in which the target's breaker is in this state.", "target", "state"
)
TARGET_RESTING: Final = _gauge(
    "target_resting", "Workers that leave the target alone because it asked for it.", "target"
)
TARGET_PENDING: Final = _gauge("target_pending", "Calls in progress, streams among them until they end.", "target")
GUARD_HOLD_SECONDS: Final = _histogram(
    "guard_hold_seconds", "The longest that a streamed answer was held back by the guard.", buckets=_FAST
)
TOKENS: Final = _counter("tokens_total", "Tokens as upstreams count them.", "model", "direction")

AUDIT_RECORDS: Final = _counter("audit_records_total", "Records written to the journal.", "phase")
AUDIT_APPEND_SECONDS: Final = _histogram(
    "audit_append_seconds", "From a record's hand-over to its being durable.", buckets=_FAST
)
AUDIT_LAG_SECONDS: Final = _gauge(
    "audit_lag_seconds", "Age of the oldest record that is not durable yet.", across=Across.MOST
)
AUDIT_UNWRITABLE: Final = _gauge(
    "audit_unwritable", "1 where a worker cannot write its journal, and refuses requests.", across=Across.MOST
)
AUDIT_UNSHIPPED: Final = _gauge("audit_unshipped_records", "Durable records that a sink does not have yet.")
AUDIT_FORKS: Final = _counter(
    "audit_forks_total", "Checkpoints at an anchor that contradict ours: somebody rewrote the log.", "anchor"
)
AUDIT_ENABLED: Final = _gauge(
    "audit_enabled", "0 where the configuration has no journal kept: nothing is evidence.", across=Across.MOST
)

POLICY_INFO: Final = _gauge(
    "policy_info", "1 for the policies in force in each worker; no revision where there are none.",
    "worker", "revision", "source", across=Across.MOST,
)  # fmt: skip
POLICY_LOADS: Final = _counter("policy_loads_total", "Loads of policies, by what came of them.", "result")
BREAK_GLASS: Final = _gauge(
    "break_glass", "1 while a break-glass grant is in force and policies only watch.", across=Across.MOST
)
BREAK_GLASS_REQUESTS: Final = _counter("break_glass_requests_total", "Requests that ran under a break-glass grant.")

WORKER_UP: Final = _gauge("worker_up", "1 for a worker that serves.", "worker")
WORKER_RESTARTS: Final = _counter("worker_restarts_total", "Deaths of a worker that nobody asked for.", "worker")
START_TIME: Final = _gauge("start_time_seconds", "When the gateway was started, in seconds since the epoch.")

CONFIG_INFO: Final = _gauge(
    "config_info", "1 for the configuration that each worker runs, by its digest.", "worker", "digest",
    across=Across.MOST,
)  # fmt: skip
CONFIG_LOADS: Final = _counter(
    "config_loads_total", "New looks at the configuration file in a running gateway, by what came of them.", "result"
)
CONFIG_REFUSED: Final = _gauge(
    "config_refused",
    "1 while what stands in the configuration file is not what the workers run, for it cannot be used.",
)
SECRET_STALE: Final = _gauge(
    "secret_stale", "1 while a mounted file cannot be used and what was last good in it serves on.", "name",
    across=Across.MOST,
)  # fmt: skip
CERTIFICATE_EXPIRES: Final = _gauge(
    "certificate_expires_timestamp_seconds", "When a certificate that is in use ends, in seconds since the epoch.",
    "name", across=Across.LEAST,
)  # fmt: skip

# What the workers count, each for itself.
OF_WORKERS: Final = (
    REQUESTS, FINDINGS, ERRORS, LIMIT_REFUSALS, LIMIT_FULLEST, LIMITS_TOGETHER, LIMITS_CHANGES, LIMITS_SECONDS,
    IN_FLIGHT, REQUEST_SECONDS, GATEWAY_SECONDS, UPSTREAM_SECONDS, UPSTREAM_FIRST_SECONDS, UPSTREAM_ATTEMPTS,
    UPSTREAM_RETRIES, TARGET_STATE, TARGET_RESTING, TARGET_PENDING, GUARD_HOLD_SECONDS, TOKENS, AUDIT_ENABLED,
    AUDIT_RECORDS, AUDIT_APPEND_SECONDS, AUDIT_LAG_SECONDS, AUDIT_UNWRITABLE, POLICY_INFO, POLICY_LOADS, BREAK_GLASS,
    BREAK_GLASS_REQUESTS, CONFIG_INFO, SECRET_STALE, CERTIFICATE_EXPIRES,
)  # fmt: skip
# What the supervisor says of them.
OF_SUPERVISOR: Final = (WORKER_UP, WORKER_RESTARTS, START_TIME, CONFIG_LOADS, CONFIG_REFUSED)
# What the shipper says: see `gateway/shipper_figures.py`.
OF_SHIPPER: Final = (AUDIT_UNSHIPPED, AUDIT_FORKS)
FAMILIES: Final = (*OF_WORKERS, *OF_SUPERVISOR, *OF_SHIPPER)
