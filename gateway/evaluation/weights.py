"""Which weights answer?

Those of embedded models are on this machine, and have digests. Of any other model nothing is known but its name.
"""

import hashlib
from pathlib import Path
from typing import Final

import adapters.embedded
from adapters.embedded.weights import WeightsMissing, original
from gateway.domain.target import Target
from gateway.evaluation.stopped import CannotMeasure

_ADAPTERS: Final = Path(adapters.embedded.__file__).parent / "split"


def weights_of(target: Target) -> str | None:
    """``sha256:`` and the digest of the file that embedded models share; None for any other model.

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
    """``sha256:`` and the digest of the adapter that makes the target's model of the embedded one, None without any."""
    file = _ADAPTERS / f"{target.model}.gguf"
    return digest_of(file) if target.provider == "embedded" and file.is_file() else None


def digest_of(file: Path) -> str:
    """``sha256:`` and the digest of a file."""
    with file.open("rb") as held:
        return f"sha256:{hashlib.file_digest(held, 'sha256').hexdigest()}"
