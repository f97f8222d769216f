"""The project's files as a tree: what changes it, and what a build is not shown."""

import tarfile
from pathlib import Path

import pytest

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.narrowed_trees import content_differs, pruned, selected, without_content
from mpforge.sources.project import locate
from mpforge.store.trees import FileNode, from_entries
from tests.memory_store import MemoryStore

TREE = from_entries(
    {
        "p/a.c": FileNode("a" * 64, 1),
        "docs/x.md": FileNode("b" * 64, 1),
        "tests/test_a.py": FileNode("c" * 64, 1),
        "link": "p/a.c",
    }
)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "p").mkdir(parents=True)
    (root / "p/a.c").write_text("int a;")
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "link").symlink_to("p/a.c")
    return root


def _inputs(root: Path) -> Inputs:
    return Inputs(locate(root, ".", "m.toml"), MemoryStore(root.parent / "store"))


def test_what_is_stored_is_what_was_hashed_in_place(root: Path) -> None:
    inputs = _inputs(root)
    before = inputs.files
    assert inputs.stored() == before
    assert inputs.files is inputs.stored() or inputs.files == before


def test_hashing_in_place_stores_nothing(root: Path) -> None:
    assert [path for path, _ in _inputs(root).files.walk()] == ["link", "p/a.c", "pyproject.toml"]
    assert not (root.parent / "store").exists()


def test_what_is_edited_after_storing_does_not_change_the_inputs(root: Path) -> None:
    inputs = _inputs(root)
    tree = inputs.stored()
    (root / "p/a.c").write_text("int b;")
    assert inputs.files == tree
    assert _inputs(root).files != tree


def test_a_source_s_identity_changes_with_its_files_but_not_with_what_is_excluded(
    root: Path,
) -> None:
    before = _inputs(root).identity(["docs"])
    (root / "docs").mkdir()
    (root / "docs/x.md").write_text("x")
    assert _inputs(root).identity(["docs"]) == before
    assert _inputs(root).identity([]) != before
    (root / "p/a.c").chmod(0o755)
    assert _inputs(root).identity(["docs"]) != before


def test_without_git_a_version_can_t_depend_on_it_and_the_key_says_so(root: Path) -> None:
    assert _inputs(root).vcs is None
    assert _inputs(root).vcs_parts() == {"git": "none"}


def test_a_packed_sdist_is_read_as_its_content(root: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p-1.tar.gz", "w:gz") as archive:
        archive.add(root, "p-1")
    inputs = Inputs(locate(tmp_path, "p-1.tar.gz", "m.toml"), MemoryStore(tmp_path / "store"))
    assert inputs.files.digest() == _inputs(root).files.digest()
    assert inputs.stored() == inputs.files
    assert inputs.read("pyproject.toml") == "[project]\n"
    assert inputs.read("setup.py") is None


def test_a_file_of_the_source_is_read_if_it_is_there(root: Path) -> None:
    assert _inputs(root).read("p/a.c") == "int a;"
    assert _inputs(root).read("p") is None
    assert _inputs(root).read("nothing") is None


def test_a_tree_is_pruned_and_selected_by_globs() -> None:
    assert [p for p, _ in pruned(TREE, ["docs", "tests"]).walk()] == ["link", "p/a.c"]
    assert pruned(TREE, []) == TREE
    assert [p for p, _ in selected(TREE, ["tests", "conftest.py"]).walk()] == ["tests/test_a.py"]
    assert selected(TREE, []) == from_entries({})


@pytest.mark.parametrize("globs", [["tests", "p/a.c", "no/such"], ["t*", "p/*.c"]])
def test_a_tree_without_content_changes_with_names_modes_and_links_alone(globs: list[str]) -> None:
    def digest(**changed: FileNode | str) -> str:
        entries = {**dict(TREE.walk()), "tests/in/x": FileNode("e" * 64, 9), **changed}
        return without_content(from_entries(entries), globs).digest()

    edited = {"tests/test_a.py": FileNode("d" * 64, 7), "p/a.c": FileNode("d" * 64, 7)}
    assert digest(**edited, **{"tests/in/x": FileNode("d" * 64, 1)}) == digest()
    others = (
        {"docs/x.md": FileNode("d" * 64, 1)},
        {"tests/test_b.py": FileNode("c" * 64, 1)},
        {"tests/test_a.py": FileNode("c" * 64, 1, executable=True)},
        {"tests/test_a.py": "../p/a.c"},
        {"link": "docs/x.md"},
    )
    assert len({digest(), *(digest(**other) for other in others)}) == 6


def test_the_files_whose_content_does_not_count_are_known() -> None:
    assert list(content_differs(TREE, without_content(TREE, ["tests", "link"]))) == [
        "tests/test_a.py"
    ]
    assert list(content_differs(TREE, without_content(TREE, []))) == []
