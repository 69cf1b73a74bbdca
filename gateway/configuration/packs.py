"""Which policy packs ship with Splitgate, and where do they lie?

Packs are data in the package ``policies``: one folder each, with its policy in ``policy.yaml``.
"""

from pathlib import Path
from typing import Final

import policies

PACKS: Final = Path(policies.__file__).parent / "packs"
POLICY: Final = "policy.yaml"


def shipped(folder: Path = PACKS) -> tuple[str, ...]:
    """The names of the packs in ``folder``, in the alphabet's order."""
    return tuple(sorted(found.parent.name for found in folder.glob(f"*/{POLICY}")))
