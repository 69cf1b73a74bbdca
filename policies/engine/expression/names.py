"""Which names can a condition read, and what was meant by one that it cannot?"""

from collections.abc import Mapping
from difflib import get_close_matches

from gateway.domain.detection import FactValue, Stage, Vocabulary
from gateway.domain.value import value
from policies.engine.expression.errors import ConditionError
from policies.engine.expression.kinds import Kind, kind_of_value
from policies.engine.expression.tree import Name


@value
class Names:
    """What a condition at ``stage`` can read: facts, and the policy's own constants."""

    vocabulary: Vocabulary
    stage: Stage
    constants: Mapping[str, FactValue]

    def kind_of(self, name: Name) -> Kind:
        """The type of what ``name`` stands for.

        Raises:
            ConditionError: nothing is called so, or not at this stage.
        """
        if name.path in self.constants:
            return kind_of_value(self.constants[name.path])
        fact = self.vocabulary.get(name.path)
        if fact is None:
            raise ConditionError(f"`{name.path}` is not known: {self._meant(name.path)}", name.offset)
        if self.stage not in fact.stages:
            stages = ", ".join(sorted(fact.stages))
            raise ConditionError(
                f"`{name.path}` is not known at stage {self.stage}: use it in a rule at {stages}", name.offset
            )
        return Kind(fact.type.value)

    def _meant(self, path: str) -> str:
        known = sorted({*self.constants, *(one.name for one in self.vocabulary.values() if self.stage in one.stages)})
        below = [one for one in known if one.startswith(f"{path}.")]
        if not below and (near := get_close_matches(path, known, n=1)):
            return f"did you mean `{near[0]}`?"
        return f"write one of {', '.join(below or known)}"
