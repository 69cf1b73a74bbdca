"""Which part of a limit may this process give out by itself?"""

from gateway.domain.value import value


@value
class Share:
    """That of process ``number`` of ``of``, counted from 1."""

    number: int = 1
    of: int = 1

    def part(self, amount: int) -> int:
        """So much of ``amount``: the parts of all add up to it, and what cannot be divided goes to the first ones."""
        whole, rest = divmod(amount, self.of)
        return whole + (self.number <= rest)


ALONE = Share()
