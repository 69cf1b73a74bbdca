"""Which kinds of measurement are there that are no turn of a contender?

Add one by adding a value: a function that takes a setting and gives a value, whose lines are shown and which is kept
whole in the raw figures, under the kind's name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from benchmarks.kinds import bodies, calls, flood, fsync, memory, records, redis, rules, startup, workers
from benchmarks.kinds.setting import Setting


class Told(Protocol):
    """A dataclass that says itself what it comes to."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def lines(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind: its name, what it answers, and how it is measured."""

    name: str
    title: str
    take: Callable[[Setting], Told]


KINDS: Final = (
    Kind(name="rules", title="1, 10 and 100 rules", take=rules.take),
    Kind(name="calls", title="Calls of tools", take=calls.take),
    Kind(name="bodies", title="Bodies up to 4 MB", take=bodies.take),
    Kind(name="flood", title="A flood of wrong keys", take=flood.take),
    Kind(name="startup", title="Start-up", take=startup.take),
    Kind(name="memory", title="Memory", take=memory.take),
    Kind(name="workers", title="Two workers on two cores", take=workers.take),
    Kind(name="fsync", title="The journal's disk", take=fsync.take),
    Kind(name="records", title="What a request leaves and sends", take=records.take),
    Kind(name="redis", title="Limits counted in Redis", take=redis.take),
)
