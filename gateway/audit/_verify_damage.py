"""What happened to the lines of a log, told by those that are found and the hashes of those that were signed?

A found line whose hash is a record's is that record, wherever it stands. What is left over was modified where a record
is lacking, and inserted where none is.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

from gateway.audit._verify_hashes import NO_HASH, Seen, Signed
from gateway.domain.value import value


@value
class Damage:
    """``kept`` maps the numbers of records that are there to their lines, of which ``displaced`` stand elsewhere.

    ``modified`` maps numbers of records to the lines that stand for them; ``inserted`` are lines, ``missing`` numbers
    as ranges.
    """

    kept: Mapping[int, int]
    displaced: Mapping[int, int]
    modified: Mapping[int, int]
    inserted: tuple[int, ...]
    missing: tuple[range, ...]


def damage(seen: Sequence[Seen], signed: Signed, least: int, *, exact: bool) -> Damage:
    """Compare; ``least`` is how many records there must be, ``exact`` says that there may be no more."""
    kept, twice, unknown = _kept(seen, signed)
    displaced = _displaced(kept)
    end = max(least, max(kept, default=-1) + 1)
    if not exact:
        # Nobody knows how many records there were: unknown lines at the end stand for one each.
        end = max(end, max(kept, default=-1) + 1 + len(unknown) - bisect_left(unknown, max(kept.values(), default=-1)))
    modified, foreign = _modified(seen, kept, unknown, displaced, end)
    there = sorted({*kept, *modified})
    return Damage(
        kept=kept,
        displaced=displaced,
        modified=modified,
        inserted=tuple(sorted([*twice, *foreign])),
        missing=tuple(_gaps(there, least)),
    )


def _kept(seen: Sequence[Seen], signed: Signed) -> tuple[dict[int, int], list[int], list[int]]:
    """Records by number, lines that repeat one of them, lines that are none."""
    of_hash: dict[bytes, int] = {}
    for number in sorted(signed.hashes):
        of_hash.setdefault(signed.hashes[number], number)
    numbers = [_number(one, signed, of_hash) for one in seen]
    _doubt_strays(numbers, signed.verified)
    kept: dict[int, int] = {}
    twice: list[int] = []
    unknown: list[int] = []
    for index, number in enumerate(numbers):
        if number is None:
            unknown.append(index)
        elif number not in kept:
            kept[number] = index
        elif _in_place(numbers, index) and not _in_place(numbers, kept[number]):
            twice.append(kept[number])
            kept[number] = index
        else:
            twice.append(index)
    return kept, twice, unknown


def _number(one: Seen, signed: Signed, of_hash: Mapping[bytes, int]) -> int | None:
    number = one.number
    if number is None or not one.sound or signed.hashes.get(number) != one.hash:
        return None
    if number < signed.verified:
        return number
    # No root stands for it: then at least it must follow what it says it follows.
    if number == 0:
        return 0 if one.claim == NO_HASH else None
    follows = signed.hashes.get(number - 1) == one.claim and one.claim is not None
    return number if follows and of_hash.get(one.claim or b"") == number - 1 else None


def _doubt_strays(numbers: list[int | None], verified: int) -> None:
    """Forget the numbers of lines that nothing but their own word puts elsewhere than where they stand."""
    present = set(numbers)
    known = [(index, number) for index, number in enumerate(numbers) if number is not None]
    for at, (index, number) in enumerate(known):
        if number < verified or number - 1 in present or number + 1 in present:
            continue
        before = known[at - 1][1] if at else -1
        after = known[at + 1][1] if at + 1 < len(known) else number + 1
        if not before < number < after:
            numbers[index] = None


def _in_place(numbers: Sequence[int | None], index: int) -> bool:
    return (numbers[index - 1] if index else -1) == (numbers[index] or 0) - 1


def _displaced(kept: Mapping[int, int]) -> dict[int, int]:
    """Lines, by index, that hold another record than their order asks, with that record's number."""
    found = sorted(kept, key=lambda number: kept[number])
    return {kept[number]: number for number, right in zip(found, sorted(kept), strict=True) if number != right}


def _modified(
    seen: Sequence[Seen], kept: Mapping[int, int], unknown: Sequence[int], displaced: Collection[int], end: int
) -> tuple[dict[int, int], list[int]]:
    """Give unknown lines the numbers that are lacking where they stand; those that get none are foreign."""
    steady = sorted((index, number) for number, index in kept.items() if index not in displaced)
    modified: dict[int, int] = {}
    foreign: list[int] = []
    free: dict[int, int] = {}
    given: set[int] = set()
    for index in unknown:
        at = bisect_left(steady, (index, -1))
        before = steady[at - 1][1] if at else -1
        after = steady[at][1] if at < len(steady) else end
        own, number = seen[index].number, free.get(before, before + 1)
        while number < after and (number in kept or number in modified):
            number += 1
        free[before] = number
        if own is not None and own < end and own not in kept and own not in modified and before < own < after:
            number = own
        elif number >= after and own is not None and own < end and own not in kept and own not in modified:
            number, after = own, own + 1
        if number < after:
            modified[number] = index
            given.add(index)
        elif seen[index].number is None and index - 1 in given:
            # The rest of a line that was broken in two.
            given.add(index)
        else:
            foreign.append(index)
    return modified, foreign


def _gaps(there: Sequence[int], least: int) -> list[range]:
    gaps: list[range] = []
    expected = 0
    for number in there:
        if number > expected:
            gaps.append(range(expected, number))
        expected = number + 1
    return [*gaps, range(expected, least)] if expected < least else gaps
