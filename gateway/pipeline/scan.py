"""What do detectors see in a request, and what follows for it by policy?

``scan`` looks, ``policies.engine.evaluate`` decides. A detector that takes another process or a service is asked
beside the others; one that cannot answer says so, and policy decides what that means.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.detection import INPUT_STAGES, Detections, Facts, Scanned, Stage, Subject
from gateway.domain.identity import Caller
from gateway.domain.ports import Scanner
from gateway.domain.prompt import Media, Prompt, Trust
from gateway.domain.request import ClientRequest
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.seams import is_text
from policies.engine.applicable import Applicable

# In one order always, so that detectors are asked in it.
_STAGES: Final = tuple(sorted(INPUT_STAGES))


def common_facts(request: ClientRequest, caller: Caller, prompt: Prompt, *, tainted: bool) -> Facts:
    """The facts of the request as a whole."""
    segments = chars = 0
    for turn in prompt.turns:
        segments += len(turn.segments)
        for segment in turn.segments:
            chars += len(segment.content if isinstance(segment, Media) else segment.text)
    return {
        "request.tenant": caller.tenant,
        "request.key": caller.key,
        "request.model": request.model,
        "request.route": request.dialect,
        "request.stream": request.options.stream,
        "request.tools": len(prompt.tools),
        "request.segments": segments,
        "request.chars": chars,
        "tainted": tainted,
    }


async def scan(subjects: Sequence[Subject], policies: Applicable, scanner: Scanner, run: Run) -> tuple[Scanned, ...]:
    """Look at each subject with the detectors that its stage's rules name."""
    if run is at_once:
        seen = look(subjects, policies, scanner)
    else:
        seen = await run(look, subjects, policies, scanner)
    if not scanner.asks(policies.wanted_of_input):
        return seen
    for stage in _STAGES:
        wanted = policies.wanted(stage)
        if wanted and scanner.asks(wanted):
            seen = await _asked(seen, stage, wanted, scanner)
    return seen


async def scan_as_data(
    seen: Sequence[Scanned], demoted: Sequence[str], policies: Applicable, scanner: Scanner, run: Run
) -> tuple[Scanned, ...]:
    """The same once the instructions ``demoted`` count as data: they are looked at as such, and taint the request."""
    tainted = [Scanned(subject=as_tainted(one.subject), detections=one.detections) for one in seen]
    lowered = [as_data(one.subject) for one in tainted if one.subject.where in demoted and is_instruction(one)]
    return (*tainted, *await scan(lowered, policies, scanner, run))


def is_instruction(scanned: Scanned) -> bool:
    """Whether the text was looked at as one that may steer."""
    return scanned.subject.stage is Stage.INSTRUCTIONS


def as_tainted(subject: Subject) -> Subject:
    """The text where data stands in the request's context."""
    return replace(subject, facts={**subject.facts, "tainted": True})


def as_data(subject: Subject) -> Subject:
    """The text where it counts as data itself."""
    facts = {**subject.facts, "segment.trust": Trust.UNTRUSTED.label}
    return replace(subject, stage=Stage.DATA, facts=facts)


def look(subjects: Sequence[Subject], policies: Applicable, scanner: Scanner) -> tuple[Scanned, ...]:
    """What the detectors see that only compute."""
    seen: list[Scanned] = []
    wanted_keys = policies.wanted_keys
    for subject in subjects:
        wanted = wanted_keys[subject.stage]
        seen.append(Scanned(subject=subject, detections=scanner.scan(subject, wanted) if wanted else {}))
    return tuple(seen)


async def _asked(
    seen: Sequence[Scanned], stage: Stage, wanted: frozenset[str], scanner: Scanner
) -> tuple[Scanned, ...]:
    """The same, with what the asked detectors say of the subjects of one stage; they are given whole texts alone."""
    places = [
        index for index, scanned in enumerate(seen) if scanned.subject.stage is stage and is_text(scanned.subject.where)
    ]
    if not places:
        return tuple(seen)
    answers = await scanner.ask([seen[index].subject for index in places], wanted)
    more: dict[int, Detections] = dict(zip(places, answers, strict=True))
    return tuple(
        [
            Scanned(subject=scanned.subject, detections={**scanned.detections, **more[index]})
            if index in more
            else scanned
            for index, scanned in enumerate(seen)
        ]
    )
