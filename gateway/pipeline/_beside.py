"""What of the fields beside an answer (fingerprints, moderation results, counts) may go on?

They are the upstream's words and not the model's, and they come before there is anything to judge them with. So they
are looked at by themselves, and dropped whole, without a finding, where a rule that acts would have any word in it.
"""

import re
from typing import Final

from gateway.domain.detection import Scanned, Stage
from gateway.domain.exchange import Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.verdict import Weight
from gateway.pipeline._watch import Watch
from gateway.pipeline.leaves import Leaves
from policies.engine.evaluate import evaluate

_WHERE: Final = "output.fields"
# What says too little to be worth a question to a classifier.
_WORD: Final = re.compile(r"[\w.:/-]{1,64}")
_DEEPEST: Final = 8


def fields_of(extra: JsonObject, watch: Watch, now: float) -> JsonObject:
    """What of ``extra`` may go on."""
    if not extra or not watch.acts(Stage.OUTPUT):
        return extra
    told = _words(extra) if watch.asks(Stage.OUTPUT) else extra
    try:
        subject = watch.output(_WHERE, "text", Leaves.of(told).text)
    except ValueError:
        return {}
    scanned = Scanned(subject=subject, detections=watch.look(subject))
    hits = evaluate(watch.applicable, [scanned], now + watch.epoch).found.hits
    return {} if any(hit.weight is Weight.ACTS for hit in hits) else told


def counts_of(usage: Usage | None, watch: Watch) -> Usage | None:
    """The same of token counts, of which nothing but numbers go on."""
    if usage is None or not usage.details or not watch.acts(Stage.OUTPUT):
        return usage
    return Usage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, details=_numbers(usage.details, _DEEPEST)
    )


def _words(extra: JsonObject) -> JsonObject:
    return {name: held for name, held in extra.items() if isinstance(held, str) and _WORD.fullmatch(held)}


def _numbers(counts: JsonObject, deepest: int) -> JsonObject:
    kept: dict[str, JsonValue] = {}
    for name, held in counts.items():
        if not _WORD.fullmatch(name):
            continue
        if isinstance(held, int | float):
            kept[name] = held
        elif isinstance(held, dict) and deepest:
            kept[name] = _numbers(held, deepest - 1)
    return kept
