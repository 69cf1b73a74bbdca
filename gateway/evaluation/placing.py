"""How is a text put into another one, at its start, at its end or somewhere in its middle?

Every reader, the suite and training put probes into data by this. Where the middle is, and what stands between, each of
them says itself: data sets that are published do not move.
"""

from collections.abc import Callable


def placed(text: str, into: str, position: str, between: str, cut: Callable[[str], tuple[str, str]]) -> str:
    """``into`` with ``text`` at ``position``; ``cut`` parts it for the middle."""
    match position:
        case "start":
            return f"{text}{between}{into}"
        case "end":
            return f"{into}{between}{text}"
        case _:
            before, after = cut(into)
            return f"{before}{between}{text}{between}{after}"
