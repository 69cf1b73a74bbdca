"""What is a kind of task made of, and how does one task come of it?

A kind has wordings of its instruction and texts with an answer each, of two parts that share nothing: what training
sees, and what is held out. ``made`` draws one of each and fills the braces.
"""

from gateway.domain.value import value
from gateway.evaluation.builtin.draw import Draw
from gateway.evaluation.builtin.words import Part, Parted, fields
from gateway.evaluation.case import Expected, Rule


@value
class Text:
    """A text to be worked on, and the right answer; both may name fields in braces. ``also`` are answers as right."""

    text: str
    answer: str
    also: tuple[str, ...] = ()


@value
class Kind:
    """``labels`` are what a ``choice`` chooses among."""

    name: str
    rule: Rule
    wordings: Parted
    train: tuple[Text, ...]
    held_out: tuple[Text, ...]
    labels: tuple[str, ...] = ()
    origin: str = "document"

    def texts(self, part: Part) -> tuple[Text, ...]:
        """Those of ``part``."""
        return self.train if part == "train" else self.held_out


@value
class Task:
    """One instruction with one text, and the answer that a terse expert would give."""

    kind: str
    instruction: str
    data: str
    answer: str
    expected: Expected
    origin: str


def made(kind: Kind, part: Part, draw: Draw) -> Task:
    """Draw one task of ``part``."""
    text = draw.one(kind.texts(part))
    filled = fields(part, draw)
    answer = text.answer.format(**filled)
    return Task(
        kind=kind.name,
        instruction=draw.one(kind.wordings.of(part)),
        data=text.text.format(**filled),
        answer=answer,
        expected=Expected(
            rule=kind.rule,
            answers=(answer, *(one.format(**filled) for one in text.also)),
            others=tuple(label for label in kind.labels if label != answer),
        ),
        origin=kind.origin,
    )
