"""What does an editor need to know of a policy file?"""

import typer

from policies.engine.json_schema import FILE


def schema() -> None:
    """Print the JSON Schema."""
    typer.echo(FILE.read_text(encoding="utf-8"), nl=False)
