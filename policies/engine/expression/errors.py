"""What can go wrong with a condition, when it is read and when it is asked?

Neither message carries a fact's value: facts can stem from a prompt.
"""


class ConditionError(ValueError):
    """``source`` cannot be used. ``offset`` counts characters from its start; the message says what to write."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class ConditionFailed(Exception):
    """A condition has no value for the facts at hand: it divided by zero, overflowed, or a fact was no finite number.

    Whoever asked must close the door: a rule that cannot say whether it hits counts as one that could not look.
    """

    def __init__(self) -> None:
        super().__init__(
            "a condition has no value for these facts: guard divisions (`x != 0 && y / x > 2`) and keep numbers small"
        )
