from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.tree import Tree, inclusion_proof, leaf_hash, node_hash, root_by_proof, root_of

# The vectors of the reference implementation of RFC 6962 (github.com/google/certificate-transparency).
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}

leaves_of = st.lists(st.binary(min_size=0, max_size=8).map(leaf_hash), max_size=70)


@pytest.mark.rows
@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert root_of([leaf_hash(text) for text in INPUTS[:size]]).hex() == ROOTS[size]


@pytest.mark.rows
@pytest.mark.parametrize(("index", "size"), list(PATHS))
def test_paths_are_those_of_the_reference_implementation(index: int, size: int) -> None:
    leaves = [leaf_hash(text) for text in INPUTS[:size]]
    path = inclusion_proof(index, leaves)
    assert [one.hex() for one in path] == PATHS[index, size]
    root = root_by_proof(index, size, leaves[index], path)
    assert root is not None
    assert root.hex() == ROOTS[size]


@given(leaves_of)
def test_a_growing_tree_has_the_root_of_the_definition_at_each_size(second: Any, leaves: list[bytes]) -> None:
    tree = Tree()
    roots = [tree.root]
    for leaf in leaves:
        tree.add(leaf)
        roots.append(tree.root)
    assert tree.size == len(leaves)
    assert roots == [second.mth(leaves[:size]) for size in range(len(leaves) + 1)]


@given(leaves_of.filter(bool), st.data())
def test_a_path_is_accepted_by_rfc_9162_for_its_leaf_and_no_other(
    second: Any, leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root = inclusion_proof(index, leaves), second.mth(leaves)
    assert second.included(index, len(leaves), leaves[index], path, root)
    assert root_by_proof(index, len(leaves), leaves[index], path) == root
    other = leaf_hash(b"another line")
    assert root_by_proof(index, len(leaves), other, path) != root
    assert root_by_proof(index, len(leaves), leaves[index], [*path, other]) is None


@given(st.integers(-2, 40), st.integers(0, 40), st.lists(st.binary(min_size=32, max_size=32), max_size=8))
def test_any_path_is_judged_as_rfc_9162_judges_it(second: Any, index: int, size: int, path: list[bytes]) -> None:
    root = root_by_proof(index, size, leaf_hash(b""), path)
    assert index >= 0 or root is None
    if root is not None:
        assert second.included(index, size, leaf_hash(b""), path, root)


@given(leaves_of.filter(bool), st.data())
def test_a_tree_that_grew_is_consistent_with_what_it_was(second: Any, leaves: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(leaves)))
    before, after = root_of(leaves[:first]), root_of(leaves)
    path = second.subproof(first, leaves)
    assert second.consistent(first, len(leaves), path, before, after)
    assert not second.consistent(first, len(leaves), path, node_hash(before, before), after)


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_path_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof(index, [leaf_hash(text) for text in INPUTS[:3]])
