"""What is a phrase that tries to steer a model, and where must it begin?"""

from typing import Final, Literal, TypeAlias

from gateway.domain.value import value

Kind: TypeAlias = Literal["override", "persona", "role_markup", "frame", "concealment", "leak", "exfiltration"]
KINDS: Final[tuple[Kind, ...]] = (
    "override",
    "persona",
    "role_markup",
    "frame",
    "concealment",
    "leak",
    "exfiltration",
)


@value
class Phrase:
    """An RE2 pattern over ``Text.matching``, lower case and without accents; its first group is what is marked.

    A ``weight`` of 5 is plain by itself, 3 is suspicious, 2 counts beside others only.
    """

    kind: Kind
    weight: int
    pattern: str


# Where an imperative begins: a line, a sentence, a quotation, or after words that lead to one. Not after "to", "may",
# "that", "never": such sentences speak of it.
_LEAD: Final = (
    r"(?:^|[.!?:;,\n\"'`()\[\]{}<>*#|=~/-]\s*|\b(?:please|pls|kindly|now|just|and|then|also|first|"
    r"simply|instead|"
    r"immediately|you must|you should|you shall|you will|you have to|you need to|you are to|"
    r"want you to|need you to|"
    r"ask you to|like you to|order you to|bitte|jetzt|nun|sofort|und|dann|du musst|du sollst|"
    r"maintenant|et|puis|alors|veuillez|vous devez|tu dois|merci de|ahora|y|luego|entonces|"
    r"por favor|debes|debe|tienes que)\s+)"
)
# Where something could be sent.
TARGET: Final = r"(?:\S{0,3}[\w.+-]+@[\w-]+\.|\S{0,3}https?://|\S{0,3}www\.)"


def imperative(kind: Kind, weight: int, pattern: str) -> Phrase:
    """One that counts only where an order may begin."""
    return Phrase(kind=kind, weight=weight, pattern=f"{_LEAD}({pattern})")


def anywhere(kind: Kind, weight: int, pattern: str) -> Phrase:
    """One that says enough wherever it stands."""
    return Phrase(kind=kind, weight=weight, pattern=f"({pattern})")
