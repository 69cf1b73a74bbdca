"""Why did somebody not take what they were given?

Reasons are words of ours or a status: never what was sent, nor what the other side wrote.
"""


class NotTaken(Exception):
    """It is offered again later. ``for_good`` says that the same will hardly be taken without somebody's help.

    ``retry_after`` is when the other side wants to be asked again, in seconds.
    """

    def __init__(self, reason: str, *, for_good: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good
        self.retry_after = retry_after


class Disputed(Exception):
    """What the other side keeps is not what stands here: one of the two was changed, and neither is overwritten."""


class Shortened(Exception):
    """The other side has less than it once acknowledged: the epoch is compared and filled up from its beginning."""
