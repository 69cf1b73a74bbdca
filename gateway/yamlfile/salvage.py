"""What can still be judged of a file that has the wrong shape?

Whatever is at fault is taken out, or gives way to a stand-in that is above reproach, so that the rest can be checked
for what it means. Places in lists never shift: each problem that is found keeps its line. What comes out of here is
only ever checked, never run.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.domain.jsonvalue import JsonValue
from gateway.domain.value import value
from gateway.yamlfile.problems import Loc

# Taking something out can leave its section without a key that it needs: then the section goes, and so on upwards.
ROUNDS: Final = 6

Document = TypeVar("Document", bound=BaseModel)


class Gone(Enum):
    """Nothing can stand in for what was taken out."""

    GONE = auto()


@value
class Salvage(Generic[Document]):
    """How files of one kind are saved.

    ``stand_in`` says what is above reproach at a place, where the file cannot do without; ``go_together`` which keys
    mean nothing without another one.
    """

    document: type[Document]
    stand_in: Callable[[Loc], "JsonValue | Gone"]
    go_together: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def salvage(self, value: JsonValue, faults: Iterable[Loc], *, rounds: int = ROUNDS) -> Document | None:
        """The file's ``value`` without what stands at ``faults``; None where too little is left to be checked."""
        rest: JsonValue = {} if value is None else value
        for _ in range(rounds):
            for loc in faults:
                mended = self._without(rest, loc, ())
                if mended is Gone.GONE:
                    return None
                rest = mended
            try:
                return self.document.model_validate(rest)
            except ValidationError as error:
                faults = [detail["loc"] for detail in error.errors(include_url=False, include_input=False)]
        return None

    def _without(self, value: JsonValue, loc: Loc, at: Loc) -> "JsonValue | Gone":
        """``value``, which stands ``at`` its place in the file, without what stands at ``loc`` below it."""
        if not loc:
            return self.stand_in(at)
        head, rest = loc[0], loc[1:]
        here = (*at, head)
        if isinstance(value, Mapping) and isinstance(head, str):
            inner = self._without(value[head], rest, here) if head in value else self.stand_in(here)
            if inner is not Gone.GONE:
                return {**value, head: inner}
            gone = (head, *self.go_together.get(head, ()))
            return {key: kept for key, kept in value.items() if key not in gone} if head in value else self.stand_in(at)
        if isinstance(value, tuple) and isinstance(head, int) and head < len(value):
            inner = self._without(value[head], rest, here)
            return self.stand_in(at) if inner is Gone.GONE else (*value[:head], inner, *value[head + 1 :])
        return self.stand_in(at)
