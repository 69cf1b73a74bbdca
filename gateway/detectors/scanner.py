"""What do the wanted detectors see in a text?

One pass of RE2 over the folded text says which detectors have anything to look for at all; quiet ones are never called.
The rule: a detector that fails is a failed detection, logged by its error's class alone, and never a quiet one.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

from gateway.detectors.detector import Closes, Detector, PassesAscii, SlowDetector
from gateway.detectors.regex import PatternSet
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Detections, Subject
from gateway.domain.value import value

_LOG: Final = logging.getLogger(__name__)
_FAILED: Final = Detection(failed="error")
_NOT_A_NUMBER: Final = Detection(failed="nan")

# Sets of detectors that are wanted together come from policies, so they are few; the bound is for surprises.
_REMEMBERED: Final = 256


@value
class _Plan:
    """How one set of detectors is run: ``owners`` says whose each pattern of the ``prefilter`` is.

    ``always`` are called for every text, unless it is ASCII and they are not among ``in_ascii``; the others for one in
    which a pattern of theirs occurs.
    """

    always: tuple[tuple[str, Detector], ...]
    in_ascii: tuple[tuple[str, Detector], ...]
    prefilter: PatternSet | None
    owners: tuple[tuple[str, Detector], ...]

    def owning(self, hits: Sequence[int]) -> Sequence[tuple[str, Detector]]:
        """The detectors whose patterns hit."""
        return tuple({self.owners[hit][0]: self.owners[hit] for hit in sorted(hits)}.values())


class Detectors:
    """Runs detectors by their instance keys: a ``Scanner``. A key stands in one of both mappings."""

    def __init__(self, quick: Mapping[str, Detector], slow: Mapping[str, SlowDetector]) -> None:
        self._quick = dict(quick)
        self._slow = dict(slow)
        self._plans: dict[frozenset[str], _Plan] = {}

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        """What those of ``wanted`` that only compute see.

        Raises:
            KeyError: ``wanted`` names an instance that was never built.
        """
        plan = self._plans.get(wanted) or self._planned(wanted)
        text = Text(subject.text)
        called_for = plan.in_ascii if text.ascii else plan.always
        if plan.prefilter and (hits := plan.prefilter.hits(text.matching)):
            called_for = (*called_for, *plan.owning(hits))
        seen: dict[str, Detection] = {}
        for key, detector in called_for:
            detection = _detected(detector, text, subject)
            if not _quiet(detection):
                seen[key] = detection
        return seen

    def asks(self, wanted: frozenset[str]) -> bool:
        """Whether any of ``wanted`` takes another process or a service."""
        return bool(self._slow) and not wanted.isdisjoint(self._slow)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        """What those see, all asked at once; one answer for each subject."""
        keys = sorted(wanted & self._slow.keys())
        answers = await asyncio.gather(*(_asked(self._slow[key], subjects) for key in keys))
        return [
            {key: answer[index] for key, answer in zip(keys, answers, strict=True) if not _quiet(answer[index])}
            for index in range(len(subjects))
        ]

    async def close(self) -> None:
        """End what slow detectors hold, once no request uses these any more."""
        for detector in self._slow.values():
            if isinstance(detector, Closes):
                await detector.close()

    def _planned(self, wanted: frozenset[str]) -> _Plan:
        chosen = [(key, self._quick[key]) for key in sorted(wanted) if key in self._quick or key not in self._slow]
        owned = [(pattern, pair) for pair in chosen for pattern in pair[1].patterns]
        always = tuple(pair for pair in chosen if not pair[1].patterns)
        plan = _Plan(
            always=always,
            in_ascii=tuple(pair for pair in always if not isinstance(pair[1], PassesAscii)),
            prefilter=PatternSet([pattern for pattern, _ in owned]) if owned else None,
            owners=tuple(pair for _, pair in owned),
        )
        if len(self._plans) >= _REMEMBERED:
            self._plans.clear()
        self._plans[wanted] = plan
        return plan


def _detected(detector: Detector, text: Text, subject: Subject) -> Detection:
    try:
        detection = detector.detect(text, subject)
    except Exception as error:  # noqa: BLE001 - whatever a detector breaks on, its verdict is "failed"
        _log_failure(detector.name, error)
        return _FAILED
    # Most texts hold nothing: that is this very value, which needs no closer look.
    return detection if detection is QUIET or _finite(detection) else _NOT_A_NUMBER


async def _asked(detector: SlowDetector, subjects: Sequence[Subject]) -> Sequence[Detection]:
    try:
        answers = await detector.ask(subjects)
    except Exception as error:  # noqa: BLE001 - the same
        _log_failure(detector.name, error)
        answers = ()
    if len(answers) != len(subjects):
        return [_FAILED] * len(subjects)
    return [answer if _finite(answer) else _NOT_A_NUMBER for answer in answers]


def _log_failure(name: str, error: Exception) -> None:
    """By class: the error's own words could quote the text."""
    _LOG.error("detector %s failed with %s; its texts count as not looked at", name, type(error).__name__)


def _finite(detection: Detection) -> bool:
    return all(not isinstance(fact, float) or isfinite(fact) for fact in detection.facts.values())


def _quiet(detection: Detection) -> bool:
    return detection is QUIET or (not detection.facts and not detection.marks and detection.failed is None)
