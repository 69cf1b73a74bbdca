"""How does a command end when something is wrong?

With sentences on stderr and an exit code, never a traceback:

    0  it worked
    1  the answer is no: the request would be refused, or requests without data were found
    2  wrong usage, or a configuration that cannot be used
    3  a running gateway, or the model that is measured, could not be reached
    130  interrupted
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer

from gateway.domain.errors import ConfigError, GatewayError
from gateway.yamlfile.problems import InvalidConfiguration, Problem

NO: Final = 1
WRONG: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

# Characters of a line shown on each side of a problem's column, so that the caret stays under it on a terminal.
_AROUND: Final = 50


class CommandFailed(Exception):
    """A command cannot go on; its message says what to do."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@contextmanager
def told() -> Generator[None]:
    """Turn the errors of a command into sentences and an exit code."""
    try:
        yield
    except InvalidConfiguration as error:
        say("\n".join(shown(problem) for problem in error.problems))
        count = len(error.problems)
        say(f"error: {count} problem{'' if count == 1 else 's'} in the configuration; nothing was started")
        raise typer.Exit(WRONG) from None
    except ConfigError as error:
        say(f"error: {error.message if error.line is None else error}")
        raise typer.Exit(WRONG) from None
    except GatewayError as error:
        where = f" (at {error.param})" if error.param else ""
        say(f"error: {error.message}{where}".replace("\n", "\\n"))
        raise typer.Exit(NO) from None
    except CommandFailed as error:
        say(f"error: {error.message}")
        raise typer.Exit(error.code) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def say(text: str) -> None:
    """A sentence on stderr."""
    from gateway.cli.terminal import visible  # noqa: PLC0415 - drags in the terminal library, which --help spares

    typer.echo(visible(text), err=True)


def shown(problem: Problem) -> str:
    """The problem, and the part of its line around the column with a caret under it."""
    lines = [f"{problem.where}: {problem.message}"]
    if problem.excerpt and problem.column is not None:
        at = problem.column - 1
        start = max(0, at - _AROUND)
        cut = "…" if start else ""
        lines += [f"    {cut}{problem.excerpt[start : at + _AROUND]}", "    " + " " * (len(cut) + at - start) + "^"]
    return "\n".join(lines)
