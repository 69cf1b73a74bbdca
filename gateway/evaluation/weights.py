"""Which weights answer?

Those of embedded models are on this machine, and have digests. Of any other model nothing is known but its name.
"""

from pathlib import Path

from adapters.embedded.digest import sha256_of
from adapters.embedded.models import ADAPTER, SPLIT, AdapterDamaged, whole_adapter
from adapters.embedded.weights import WeightsMissing, original
from gateway.domain.target import Target
from gateway.evaluation.stopped import CannotMeasure


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


def adapter_of(target: Target, adapter: Path = ADAPTER) -> str | None:
    """``sha256:`` and the digest of the adapter that makes the target's model of the plain one; None without any.

    Raises:
        CannotMeasure: the model takes the adapter, which is missing or damaged.
    """
    if (target.provider, target.model) != ("embedded", SPLIT):
        return None
    try:
        file = whole_adapter(adapter)
    except AdapterDamaged as damaged:
        raise CannotMeasure(str(damaged)) from damaged
    if file is None:
        raise CannotMeasure(f"{SPLIT} cannot be measured: its adapter is missing; install Splitgate again")
    return digest_of(file)


def digest_of(file: Path) -> str:
    """``sha256:`` and the digest of a file."""
    return f"sha256:{sha256_of(file)}"
