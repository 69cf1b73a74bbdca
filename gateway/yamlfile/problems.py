"""What is wrong with a configuration file, and where?

All problems of a file are told at once; none of them carries a value that may be a credential.
"""

from collections.abc import Sequence
from typing import NoReturn, TypeAlias

from gateway.domain.errors import ConfigError
from gateway.domain.value import value

Loc: TypeAlias = tuple[str | int, ...]


@value
class Problem:
    """One thing to mend. ``excerpt`` is its line, with possible credentials starred out."""

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    excerpt: str | None = None

    @property
    def where(self) -> str:
        """``file:line:column``, as far as known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@value
class Fault:
    """A problem of the file's shape, and the place of what has the wrong shape or is missing."""

    loc: Loc
    problem: Problem


class InvalidConfiguration(ConfigError):
    """Every problem of a file; the position is the first one's."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))
        first, *others = ordered
        message = "\n".join([first.message, *(f"{other.where}: {other.message}" for other in others)])
        super().__init__(message, file=first.file, line=first.line, column=first.column)
        self.problems = tuple(ordered)


def refuse(problems: Sequence[Problem], *, cause: Exception | None = None) -> NoReturn:
    """Raise them all at once."""
    raise InvalidConfiguration(problems) from cause
