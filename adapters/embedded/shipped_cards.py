"""Which card comes with an embedded model?

A card is a file that says what was measured of a model in a format. Nothing here reads it.
"""

import re
from pathlib import Path
from typing import Final

CARDS: Final = Path(__file__).with_name("cards")
# Names come from the configuration: none may lead elsewhere.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def card_of(model: str, form: str, folder: Path = CARDS) -> Path | None:
    """The card of ``model`` in the format ``form``; None where none comes with it."""
    if not (_NAME.fullmatch(model) and _NAME.fullmatch(form)):
        return None
    path = folder / f"{model}.{form}.yaml"
    return path if path.is_file() else None
