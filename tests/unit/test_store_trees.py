"""File trees as data: what their digest depends on."""

from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mpforge.store.trees import Directory, FileNode, from_entries

NODES = st.builds(
    FileNode,
    st.sampled_from(["a" * 64, "b" * 64]),
    st.integers(min_value=0, max_value=3),
    st.booleans(),
)
# Folders and files have different letters: one name can't be both.
PATHS = st.builds(
    lambda folders, name: "/".join([*folders, name]),
    st.lists(st.sampled_from(["d", "e", "é", "d-"]), max_size=3),
    st.sampled_from(["x", "y", "z.c", "x\udcff"]),
)
ENTRIES = st.dictionaries(PATHS, NODES | st.sampled_from(["x", "../y"]), min_size=1, max_size=6)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_order_of_listing_does_not_change_a_tree_s_digest(
    entries: dict[str, FileNode | str], random: Random
) -> None:
    items = list(entries.items())
    random.shuffle(items)
    assert from_entries(dict(items)).digest() == from_entries(entries).digest()


@given(ENTRIES, ENTRIES)
def test_two_trees_have_one_digest_only_if_they_are_equal(
    one: Mapping[str, FileNode | str], other: Mapping[str, FileNode | str]
) -> None:
    assert (from_entries(one).digest() == from_entries(other).digest()) == (one == other)


@given(ENTRIES)
def test_walking_a_tree_gives_the_entries_that_made_it(entries: dict[str, FileNode | str]) -> None:
    tree = from_entries(entries)
    assert dict(tree.walk()) == entries
    for path, entry in entries.items():
        assert tree.get(path) == (None if isinstance(entry, str) else entry)


def test_an_executable_bit_a_link_and_a_file_are_all_told_apart() -> None:
    digest = "a" * 64
    trees = [
        from_entries({"x": FileNode(digest, 1)}),
        from_entries({"x": FileNode(digest, 1, executable=True)}),
        from_entries({"x": digest}),
        from_entries({"y": FileNode(digest, 1)}),
        from_entries({"x/x": FileNode(digest, 1)}),
        Directory(),
    ]
    assert len({tree.digest() for tree in trees}) == len(trees)


def test_a_description_changes_with_content_mode_and_link_target() -> None:
    tree = from_entries({"d/x": FileNode("a" * 64, 1, executable=True), "link": "d/x"})
    assert tree.described() == {"d/x": f"sha256:{'a' * 64} executable", "link": "-> d/x"}


def test_a_path_that_is_no_file_is_not_found() -> None:
    tree = from_entries({"d/x": FileNode("a" * 64, 1), "link": "d"})
    for path in ("d", "link", "link/x", "nothing", "d/x/y"):
        assert tree.get(path) is None
