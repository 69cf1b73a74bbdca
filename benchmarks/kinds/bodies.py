"""Does a request's cost grow as its body does, and no faster?

Bodies up to 4 MB, through the gateway as it comes and through the bare pass-through. What is linear has the same
nanoseconds for each byte all along; the smallest body does not count, since what is the same for all weighs more there.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.contenders import Contender
from benchmarks.figures import Spread, figures_of, told
from benchmarks.kinds.setting import BARE, CHAT, Figures, Rounds, Setting, in_turns, over, used_by
from benchmarks.processes import Process
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

# The last one is just within what the pack ``baseline`` lets pass.
SIZES: Final = (64 * 1024, 256 * 1024, 1024 * 1024, 4_000_000)
# The most that a byte of the largest body may cost, as a multiple of one of the second smallest.
LINEAR: Final = 1.25
_ROOM: Final = 8 * 1024 * 1024
_CONNECTIONS: Final = 2
_CONTENDERS: Final = (BARE, CHAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRow:
    """What a body of this size costs."""

    bytes: int
    rate: Spread
    cpu_us: Spread
    ns_per_byte: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """All sizes through one contender; ``growth`` is a byte of the largest body over one of the second smallest."""

    contender: str
    rows: Sequence[BodyRow]
    growth: float
    linear: bool

    @property
    def line(self) -> str:
        """The verdict."""
        each = ", ".join(f"{_size(row.bytes)} {row.ns_per_byte.median:,.1f}" for row in self.rows)
        word = "linear" if self.linear else "NOT LINEAR"
        told = f"{self.growth:.2f} times from {_size(SIZES[1])} to {_size(SIZES[-1])}"
        return f"{self.contender}, CPU ns a byte of body: {each}; {told}, at most {LINEAR}: {word}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """All of it."""

    contenders: Sequence[Growth]
    threshold: float
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        times = [
            f"{one.contender}: " + ", ".join(f"{_size(row.bytes)} {told(row.cpu_us)}" for row in one.rows) + " µs CPU"
            for one in self.contenders
        ]
        return [*times, *(one.line for one in self.contenders)]


def growth_of(contender: str, rounds: Rounds) -> Growth:
    """What the rounds of one contender come to."""
    rows = [_row(size, rounds[_name(contender, size)]) for size in SIZES]
    growth = rows[-1].ns_per_byte.median / rows[1].ns_per_byte.median
    return Growth(contender=contender, rows=rows, growth=growth, linear=growth <= LINEAR)


def _row(size: int, rounds: Sequence[Figures]) -> BodyRow:
    return BodyRow(
        bytes=size,
        rate=over(rounds, lambda figures: figures["rate"]),
        cpu_us=over(rounds, lambda figures: figures["cpu_us"]),
        ns_per_byte=over(rounds, lambda figures: figures["cpu_us"] * 1000 / size),
    )


def _name(contender: str, size: int) -> str:
    return f"{contender}, {size}"


def _size(size: int) -> str:
    return f"{size // 1024:,} KB" if size % 1024 == 0 else f"{size / 1e6:,.0f} MB"


def take(setting: Setting) -> Bodies:
    """Start both, and let contenders and sizes take turns."""
    with ExitStack() as running:
        gateway = running.enter_context(setting.worker(setting.config("bodies", server={"max_body_bytes": _ROOM})))
        servers = {CHAT.name: gateway, BARE.name: running.enter_context(setting.passthrough())}
        takers: dict[str, Callable[[], Figures]] = {
            _name(contender.name, size): partial(_turn, setting, servers[contender.name], contender, size)
            for size in SIZES
            for contender in _CONTENDERS
        }
        rounds = in_turns(setting.rounds, takers)
    found = [growth_of(contender.name, rounds) for contender in _CONTENDERS]
    return Bodies(contenders=found, threshold=LINEAR, rounds=rounds)


def _turn(setting: Setting, server: Process, contender: Contender, size: int) -> Figures:
    scenario = Scenario(name="bodies", connections=_CONNECTIONS, body_bytes=size)
    (measured,) = setting.drive(load_of(setting.plan, scenario, contender, server.port), of=used_by(server))
    return figures_of(measured, streams=False)
