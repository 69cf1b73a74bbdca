"""Which lines were signed, when those that are found are not them?

Each line names its own number and the hash of the line before it. So there are two witnesses for the hash of a record:
its line, and the line after it. Where they differ a signed root decides; where none can, the likelier one is taken.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import islice, product
from typing import Final, TypeAlias

from gateway.audit.tree import Tree
from gateway.domain.value import value

# Signed roots by the size of the tree; more than one for a size only if history was signed twice.
Roots: TypeAlias = Mapping[int, Collection[bytes]]
_Options: TypeAlias = dict[int, dict[bytes, int]]

NO_HASH: Final = bytes(32)

# How much a witness counts. A line whose successor vouches for it is believed what it says of the line before it.
_VOUCHED_CLAIM: Final = 4
_CHAINED_HASH: Final = 3
_MERE_WORD: Final = 1
# Bounds of the search for a combination of witnesses that gives the signed root: combinations, and leaves hashed.
_MOST_COMBINATIONS: Final = 4096
_MOST_HASHED: Final = 4_000_000


@value
class Seen:
    """A line as it is found: its leaf hash, the hash that it says the line before it has, the number it gives itself.

    ``sound`` says that it is written as the format asks.
    """

    hash: bytes
    claim: bytes | None
    number: int | None
    sound: bool


@value
class Signed:
    """``hashes`` are those of the records, by their numbers; below ``verified`` a signed root stands for them.

    ``contested`` are sizes of signed roots that another signed root belies. ``rewritten`` is ``(first, end)`` of
    records that agree with each other but not with the root signed over them. ``suspects`` are records that no other
    line stands for, at least one of which was changed: otherwise the root would be the signed one.
    """

    hashes: Mapping[int, bytes]
    verified: int
    contested: tuple[int, ...]
    rewritten: tuple[int, int] | None
    suspects: tuple[int, ...]


def signed_hashes(seen: Sequence[Seen], roots: Roots) -> Signed:
    """The hashes of the records that ``seen`` is what is left of."""
    options = _options(seen)
    claimed = {(one.number - 1, one.claim) for one in seen if one.number is not None}
    chosen = list(_chosen(options))
    tree = Tree()
    failed: int | None = None
    while True:
        _grow(tree, chosen, _agreed(tree, chosen, roots))
        failed = min([size for size in roots if size > tree.size], default=None)
        found = None if failed is None or failed > len(chosen) else _search(tree, options, claimed, failed, roots)
        if failed is None or found is None:
            break
        chosen[tree.size : failed] = found
    contested = _contested(chosen[: tree.size], roots)
    rewritten, suspects = None, ()
    if failed is not None and failed <= len(chosen):
        rewritten, suspects = _blamed(seen, chosen, tree.size, failed)
    for suspect in suspects:
        _distrust(seen, chosen, suspect)
    hashes = {number: best[0] for number, best in ((n, list(_ranked(o))) for n, o in options.items())}
    hashes.update(enumerate(chosen))
    for suspect in suspects:
        del hashes[suspect]
    return Signed(hashes=hashes, verified=tree.size, contested=contested, rewritten=rewritten, suspects=suspects)


def _blamed(
    seen: Sequence[Seen], chosen: Sequence[bytes], start: int, end: int
) -> tuple[tuple[int, int] | None, tuple[int, ...]]:
    """Who is to blame that the records from ``start`` to ``end`` have not the signed root: all, or some of them?"""
    links = {(one.number, one.hash, one.claim) for one in seen if one.sound}
    claimed = {(one.number, one.claim) for one in seen}
    chained = all(
        (number, chosen[number], chosen[number - 1] if number else NO_HASH) in links for number in range(start, end)
    )
    if chained and (end, chosen[end - 1]) in claimed:
        return (start, end), ()
    known = {(one.number, one.hash) for one in seen if one.sound}
    bare = [n for n in range(start, end) if (n + 1, chosen[n]) not in claimed and (n, chosen[n]) not in known]
    numbers = {one.number for one in seen}
    return None, tuple(bare or [number for number in range(start, end) if number + 1 not in numbers])


def _distrust(seen: Sequence[Seen], chosen: list[bytes], suspect: int) -> None:
    """What a suspect says of the record before it counts less than that record's own line."""
    found = {one.hash for one in seen if one.number == suspect - 1}
    if suspect > 0 and found and chosen[suspect - 1] not in found:
        chosen[suspect - 1] = min(found)


def _options(seen: Sequence[Seen]) -> _Options:
    """What the hash of each record may be, and how much speaks for it."""
    hashes = {(one.number, one.hash) for one in seen}
    claims = {(one.number, one.claim) for one in seen}
    numbers = {one.number for one in seen}
    number_of = {NO_HASH: -1} | {one.hash: one.number for one in seen}
    options: _Options = {}

    def vote(number: int, hashed: bytes | None, weight: int) -> None:
        if number >= 0 and hashed is not None:
            at = options.setdefault(number, {})
            at[hashed] = at.get(hashed, 0) + weight

    left = [_follows(one, hashes) for one in seen]
    right = [one.number is not None and (one.number + 1, one.hash) in claims for one in seen]
    inferred = _inferred(seen, [before or after for before, after in zip(left, right, strict=True)])
    for one, chained, vouched, others in zip(seen, left, right, inferred, strict=True):
        own = one.number
        # Whoever names a line of another number as the one before it is not where it says.
        if own is not None and (chained or vouched or number_of.get(one.claim or b"", own - 1) == own - 1):
            # Nothing can vouch for the last line: it is believed if it stands where it says.
            last = own in others and own + 1 not in numbers
            vote(own, one.hash, _CHAINED_HASH if chained or vouched else _MERE_WORD)
            vote(own - 1, one.claim, _VOUCHED_CLAIM if vouched or (last and one.sound) else _MERE_WORD)
        for number in others - {own}:
            vote(number, one.hash, _MERE_WORD)
            vote(number - 1, one.claim, _MERE_WORD)
    return options


def _follows(one: Seen, hashes: Collection[tuple[int | None, bytes]]) -> bool:
    if one.number is None or one.claim is None:
        return False
    return one.claim == NO_HASH if one.number == 0 else (one.number - 1, one.claim) in hashes


def _inferred(seen: Sequence[Seen], chained: Sequence[bool]) -> list[set[int]]:
    """Which numbers a line may have by where it stands, if no other line bears out the one that it gives itself."""
    places: list[set[int]] = [set() for _ in seen]
    before = after = 0
    known = False
    for index, one in enumerate(seen):
        if chained[index]:
            before = (one.number or 0) - index
        else:
            places[index].add(index + before)
    for index in range(len(seen) - 1, -1, -1):
        if chained[index]:
            after, known = (seen[index].number or 0) - index, True
        elif known:
            places[index].add(index + after)
    return places


def _ranked(options: Mapping[bytes, int]) -> Iterator[bytes]:
    yield from sorted(options, key=lambda hashed: -options[hashed])


def _chosen(options: _Options) -> Iterator[bytes]:
    """The likeliest hash of each record, up to one of which nothing is known."""
    for number in range(len(options)):
        if number not in options:
            return
        yield next(_ranked(options[number]))


def _grow(tree: Tree, leaves: Sequence[bytes], size: int) -> None:
    for number in range(tree.size, size):
        tree.add(leaves[number])


def _agreed(tree: Tree, leaves: Sequence[bytes], roots: Roots) -> int:
    """The largest size at which these leaves have a signed root."""
    grown, best = deepcopy(tree), tree.size
    for size in sorted(size for size in roots if tree.size < size <= len(leaves)):
        _grow(grown, leaves, size)
        if grown.root in roots[size]:
            best = size
    return best


def _contested(leaves: Sequence[bytes], roots: Roots) -> tuple[int, ...]:
    """Sizes at which these leaves do not have the root that was signed."""
    grown, wrong = Tree(), list[int]()
    for size in sorted(size for size in roots if size <= len(leaves)):
        _grow(grown, leaves, size)
        if grown.root not in roots[size]:
            wrong.append(size)
    return tuple(wrong)


def _search(
    tree: Tree, options: _Options, claimed: Collection[tuple[int, bytes | None]], size: int, roots: Roots
) -> list[bytes] | None:
    """Leaves from the tree's size up to ``size`` that give the signed root, if some combination does."""
    numbers = range(tree.size, size)
    leaves = [next(_ranked(options[number])) for number in numbers]
    open_ = [number for number in numbers if len(options[number]) > 1]
    ranked = [list(_ranked(options[number])) for number in open_]
    # If lines were changed and what they say of the lines before them was not, that is what was signed.
    by_claim = tuple([max(one, key=lambda h: (n, h) in claimed) for n, one in zip(open_, ranked, strict=True)])
    by_line = tuple([min(one, key=lambda h: (n, h) in claimed) for n, one in zip(open_, ranked, strict=True)])
    most = min(_MOST_COMBINATIONS, max(4, _MOST_HASHED // len(leaves)))
    for combination in islice(_by_surprise(ranked, by_claim, by_line), most):
        for number, hashed in zip(open_, combination, strict=True):
            leaves[number - tree.size] = hashed
        grown = deepcopy(tree)
        for leaf in leaves:
            grown.add(leaf)
        if grown.root in roots[size]:
            return leaves
    return None


def _by_surprise(ranked: Sequence[Sequence[bytes]], *first: tuple[bytes, ...]) -> Iterable[tuple[bytes, ...]]:
    """All combinations; where they are many, those first that leave one of ``first`` or the likeliest in one place."""
    bases = (*first, tuple([one[0] for one in ranked]))
    yield from bases
    for base in bases:
        for index, one in enumerate(ranked):
            for other in one:
                yield (*base[:index], other, *base[index + 1 :])
    yield from product(*ranked)
