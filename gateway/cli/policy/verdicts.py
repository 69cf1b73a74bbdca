"""What is decided about each entry of a corpus?"""

from collections.abc import Callable, Sequence

from gateway.cli.policy.corpus import Item
from gateway.cli.policy.judge import Judge
from gateway.cli.told import say
from gateway.domain.errors import RequestError
from gateway.domain.verdict import Verdict


def judged(judge: Judge, items: Sequence[Item], step: Callable[[], None]) -> list[Verdict | None]:
    """One verdict each; None, told on stderr, where a request would be refused before any policy is asked."""
    verdicts: list[Verdict | None] = []
    for item in items:
        try:
            verdicts.append(judge.verdict(item.entry))
        except RequestError as error:
            say(f"warning: left out {item.where}: {error.message}")
            verdicts.append(None)
        step()
    return verdicts
