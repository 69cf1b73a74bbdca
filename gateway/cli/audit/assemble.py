"""How does a command make a folder of journals of the objects of a bucket?"""

from pathlib import Path

from gateway.audit.assemble import CannotAssemble
from gateway.audit.assemble import assemble as run_assemble
from gateway.cli.policy.report import counted
from gateway.cli.told import NO, WRONG, CommandFailed, say


def assemble(objects: Path, folder: Path) -> None:
    """Make the folder, and say what is in it.

    Raises:
        CommandFailed: the objects make none, or something cannot be read or written.
    """
    try:
        made = run_assemble(objects, folder)
    except CannotAssemble as error:
        raise CommandFailed(f"{error}; nothing was written", code=NO) from error
    except OSError as error:
        what = f"{error.filename or objects} cannot be used ({error.strerror}); nothing was written"
        raise CommandFailed(what, code=WRONG) from error
    say(
        f"{folder}: {counted(made.epochs, 'epoch')} of {counted(made.objects, 'object')}; "
        f"`splitgate audit verify {folder} --key PUB` tells whether all is there"
    )
