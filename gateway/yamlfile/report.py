"""Which problems and warnings did reading turn up?"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from gateway.yamlfile.problems import Fault, Loc, Problem, refuse
from gateway.yamlfile.source import Source


@dataclass(slots=True, kw_only=True)
class Report:
    """Collects all that is wrong, so that a person mends it in one go.

    ``faults`` are problems of the file's shape, found before: where one stands, nothing more is told.
    """

    source: Source
    faults: tuple[Fault, ...] = ()
    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.problems += [fault.problem for fault in self.faults]

    @property
    def count(self) -> int:
        return len(self.problems)

    def add(self, loc: Loc, message: str, *, at_key: bool = False, offset: int | None = None) -> None:
        """A problem; ``offset`` counts characters inside the text that stands at ``loc``."""
        if not self.hidden(loc):
            self.problems.append(self.source.problem(loc, message, at_key=at_key, offset=offset))

    def hidden(self, loc: Loc) -> bool:
        """Whether a fault stands at ``loc`` or around it: what is read there is a stand-in, or nothing."""
        return any(loc[: len(fault.loc)] == fault.loc for fault in self.faults)

    def sound(self, loc: Loc) -> bool:
        """Whether no fault stands at ``loc``, around it or below it: it is read as it was written."""
        return not self.hidden(loc) and not any(fault.loc[: len(loc)] == loc for fault in self.faults)

    def warn(self, loc: Loc, message: str) -> None:
        self.warnings.append(f"{self.source.problem(loc, message).where}: {message}")

    def expect_known(self, loc: Loc, field_name: str, value: str, known: Iterable[str]) -> None:
        """A problem where ``value`` is not one of ``known``, with the nearest one."""
        self.expect_name((*loc, field_name), field_name, value, known)

    def expect_name(self, loc: Loc, what: str, value: str, known: Iterable[str], *, at_key: bool = False) -> bool:
        """Whether ``value``, which stands at ``loc``, is one of ``known``; a problem with the nearest one if not."""
        names = sorted(known)
        if value in names:
            return True
        close = get_close_matches(value, names, n=1, cutoff=0.6)
        others = f"there are {', '.join(names)}" if names else "there is none"
        hint = f"did you mean `{close[0]}`?" if close else others
        self.add(loc, f"no {what} is called `{value}`; {hint}", at_key=at_key)
        return False

    def expect_unique(self, seen: set[str], value: str, loc: Loc, what: str) -> None:
        if value in seen:
            self.add(loc, f"{what} stands twice; each needs its own")
        seen.add(value)

    def finish(self) -> None:
        """Raise ``ConfigError`` if there was any problem."""
        if self.problems:
            refuse(self.problems)
