"""Which metrics are there? The table of ``docs/telemetry.md``."""

from gateway.reference.tables import table
from gateway.telemetry.families import FAMILIES, Family


def metrics() -> str:
    """Every metric with its kind and its labels."""
    rows = ((f"`{one.name}`", one.kind.value, _labels(one), one.help) for one in FAMILIES)
    return table(("metric", "is a", "labels", "what it counts"), rows)


def _labels(family: Family) -> str:
    return ", ".join([f"`{label}`" for label in family.labels])
