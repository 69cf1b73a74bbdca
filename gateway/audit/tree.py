"""What is the root over so many lines, and how is it shown that one of them is among them?

The Merkle tree of RFC 6962, section 2.1: a leaf is SHA-256(0x00 ‖ line), a node SHA-256(0x01 ‖ left ‖ right). Hashes
are 32 bytes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """The leaf of a line, which is given without its line feed."""
    return sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two others."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows, of which nothing is kept but its right edge: the roots of its full subtrees."""

    __slots__ = ("_edge", "size")

    def __init__(self) -> None:
        self.size = 0
        # The largest subtree first; the binary digits of ``size`` say how large each is.
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        edge, size = self._edge, self.size
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = sha256(b"\x01" + edge.pop() + node).digest()
                full >>= 1
            edge.append(node)
            size += 1
        self.size = size

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    tree = Tree()
    tree.extend(leaves)
    return tree.root


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The audit path of RFC 6962, section 2.1.1, from the leaf's sibling up to the root's child.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    path: list[bytes] = []
    first, end = 0, len(leaves)
    while end - first > 1:
        # The largest power of two below the number of leaves.
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[first:middle]))
            first = middle
    return path[::-1]


def root_by_proof(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that ``proof`` leads to from ``leaf`` (RFC 9162, section 2.1.3.2); None where it cannot be a proof."""
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for hashed in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(hashed, root)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, hashed)
        node >>= 1
        last >>= 1
    return root if last == 0 else None
