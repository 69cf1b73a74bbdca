"""How long is a text?

Always says so, since a condition may ask for any length. The rule: tokens are an estimate that needs no model's
tokenizer, and is the same for every model.
"""

from typing import Final

from gateway.detectors.text import Text
from gateway.domain.detection import Detection, Fact, FactType, Subject

# Byte-pair tokenizers make about one token of four characters of English, of two to three of code and other alphabets,
# and of each Chinese or Japanese character: that is, of four bytes in ASCII and of about two beyond it.
_ASCII_CHARS: Final = 4
_OTHER_BYTES: Final = 2

FACTS: Final = (
    Fact(name="det.size.chars", type=FactType.INT, doc="Characters (Unicode code points)."),
    Fact(name="det.size.bytes", type=FactType.INT, doc="Bytes in UTF-8."),
    Fact(
        name="det.size.tokens",
        type=FactType.INT,
        doc="Tokens, estimated: one for four ASCII characters and one for two bytes of the others, rounded up.",
    ),
    Fact(name="det.size.lines", type=FactType.INT, doc="Lines; an empty text has none."),
)


class Size:
    """``det.size``."""

    name = "size"
    facts = FACTS
    patterns = ()

    def detect(self, text: Text, subject: Subject) -> Detection:
        del subject
        original = text.original
        size = chars = len(original)
        ascii_chars = chars
        if not text.ascii:
            size = len(original.encode("utf-8", "surrogatepass"))
            ascii_chars = len(original.encode("ascii", "ignore"))
        return Detection(
            facts={
                "det.size.chars": chars,
                "det.size.bytes": size,
                "det.size.tokens": _rounded_up(ascii_chars, _ASCII_CHARS)
                + _rounded_up(size - ascii_chars, _OTHER_BYTES),
                "det.size.lines": original.count("\n") + (not original.endswith("\n")) if original else 0,
            }
        )


def _rounded_up(amount: int, each: int) -> int:
    return -(-amount // each)
