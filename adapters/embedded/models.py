"""Which models does the embedded process serve, and what makes the second one of the first?

One set of weights serves both: ``SPLIT`` is ``PLAIN`` with a low-rank adapter (LoRA), which llama.cpp adds for the
requests that ask for it. The adapter comes with this package, its digest beside it; one that does not match is damaged
and never loaded. Imports nothing heavy: the gateway's configuration reads the names here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.embedded.digest import sha256_of

PLAIN: Final = "smollm2-135m-instruct"
SPLIT: Final = "smollm2-135m-split"
MODELS: Final = (PLAIN, SPLIT)
ADAPTER: Final = Path(__file__).parent / "split" / f"{SPLIT}.gguf"
# By this header a request says with which adapter the model was measured: the files may be others by now.
MEASURED_WITH: Final = "x-splitgate-adapter"


class AdapterDamaged(Exception):
    """The adapter is not the one that its digest is of; the message says what to do."""


def digest_file(adapter: Path) -> Path:
    """Where its digest stands: SHA-256 in hexadecimal digits, as ``sha256sum`` writes it."""
    return adapter.with_suffix(".sha256")


def offers_split(adapter: Path = ADAPTER) -> bool:
    """Whether the adapter is there, damaged or not."""
    return adapter.is_file()


def digest_told(adapter: Path = ADAPTER) -> str | None:
    """``sha256:`` and the digest that stands beside the adapter, with which alone it is loaded; None without any."""
    try:
        words = digest_file(adapter).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return f"sha256:{words[0]}" if words else None


def whole_adapter(adapter: Path) -> Path | None:
    """The adapter to load, None where there is none.

    Raises:
        AdapterDamaged: it is not whole, or cannot be read.
    """
    if not offers_split(adapter):
        return None
    told = digest_told(adapter)
    try:
        if told is not None and told == f"sha256:{sha256_of(adapter)}":
            return adapter
    except OSError as exc:
        raise AdapterDamaged(_damaged(adapter)) from exc
    raise AdapterDamaged(_damaged(adapter))


def loadable_adapter(adapter: Path, say: Callable[[str], object]) -> Path | None:
    """The adapter to load; None, after a word, where it is damaged: the plain model serves without it."""
    try:
        return whole_adapter(adapter)
    except AdapterDamaged as exc:
        say(f"splitgate: {exc}\n")
        return None


def _damaged(adapter: Path) -> str:
    return (
        f"{SPLIT} is not served, for its adapter {adapter} does not match the digest beside it: install Splitgate again"
    )
