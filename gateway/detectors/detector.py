"""What is a detector?

Each stands in a file of its own, with ``FACTS`` beside its class; ``build.py`` knows them all. The rule: a detector
keeps nothing between calls, and what it costs is linear in the text.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from gateway.detectors.text import Text
from gateway.domain.detection import Detection, Fact, Subject


class Detector(Protocol):
    """Computes. ``name`` is its name in conditions, ``det.NAME``."""

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> tuple[Fact, ...]: ...

    @property
    def patterns(self) -> tuple[str, ...]:
        """In RE2's syntax, over ``Text.matching``: without a hit of any of them ``detect`` is not called.

        None given: it is always called.
        """
        ...

    def detect(self, text: Text, subject: Subject) -> Detection:
        """What it sees; ``QUIET`` where nothing. May raise: the scanner makes that a failed detection."""
        ...


class SlowDetector(Protocol):
    """Asks another process or a service, in place of ``detect`` and not beside it."""

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> tuple[Fact, ...]: ...

    async def ask(self, subjects: Sequence[Subject]) -> Sequence[Detection]:
        """One detection for each subject. Never raises: ``failed`` says ``timeout`` or ``error``."""
        ...


@runtime_checkable
class PassesAscii(Protocol):
    """A detector that sees nothing in any ASCII text, which most texts are: it is not called for one."""

    @property
    def passes_ascii(self) -> Literal[True]: ...


@runtime_checkable
class Closes(Protocol):
    """A slow detector that holds processes or connections of its own."""

    async def close(self) -> None: ...
