"""Which weights answer?

Those of the embedded model are on this machine, and have a digest. Of any other model nothing is known but its name.
"""

import hashlib
from pathlib import Path

from adapters.embedded.weights import WeightsMissing, original
from gateway.domain.target import Target
from gateway.evaluation.stopped import CannotMeasure


def weights_of(target: Target) -> str | None:
    """``sha256:`` and the digest of the embedded model's file; None for any other model.

    Raises:
        CannotMeasure: they are not installed.
    """
    if target.provider != "embedded":
        return None
    try:
        return digest_of(original())
    except WeightsMissing as missing:
        raise CannotMeasure(str(missing)) from missing


def adapter_of(target: Target) -> str | None:
    """The digest of the adapter that the target's weights are used with, None where they are as they came."""
    del target
    return None


def digest_of(file: Path) -> str:
    """``sha256:`` and the digest of a file."""
    with file.open("rb") as held:
        return f"sha256:{hashlib.file_digest(held, 'sha256').hexdigest()}"
