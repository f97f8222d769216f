"""What a project's Cargo files say of the crates that it needs."""

import hashlib
from collections.abc import Mapping

import pytest

from mpforge.sources import cargo
from mpforge.store.trees import Directory, FileNode, from_entries

LOCKED = '[[package]]\nname = "a"\n[[package]]\nname = "b"\nsource = "registry+x"\n'
OWN_ONLY = '[[package]]\nname = "a"\n'
VENDORED = '[source.v]\ndirectory = "third/crates"\n'


def tree_of(files: Mapping[str, str]) -> Directory:
    return from_entries(
        {
            path: FileNode(hashlib.sha256(text.encode()).hexdigest(), len(text))
            for path, text in files.items()
        }
    )


def crates_of(files: Mapping[str, str]) -> cargo.Crates:
    """As the step sees them: from what is kept of the source alone."""
    seen = cargo.manifests(tree_of(files), files.get)
    return cargo.crates(seen, files.get)


def test_a_lock_at_the_top_is_the_one_of_all_manifests_below() -> None:
    found = crates_of(
        {"Cargo.toml": "", "Cargo.lock": LOCKED, "sub/Cargo.toml": '[dependencies]\nb = "1"\n'}
    )
    assert found == cargo.Crates(("Cargo.toml",), vendored=False, wanted=True, unpinned=())


def test_a_lock_of_a_project_in_a_folder_is_found() -> None:
    files = {"rust/Cargo.toml": "", "rust/Cargo.lock": LOCKED, "pyproject.toml": ""}
    assert crates_of(files).manifests == ("rust/Cargo.toml",)


def test_a_lock_that_names_the_project_s_own_packages_alone_wants_nothing() -> None:
    assert not crates_of({"Cargo.toml": "", "Cargo.lock": OWN_ONLY}).wanted


@pytest.mark.parametrize(
    "manifest",
    [
        '[dependencies]\nb = "1"\n',
        '[build-dependencies]\ncc = { version = "1" }\n',
        '[target."cfg(unix)".dependencies]\nlibc = "0.2"\n',
        '[workspace.dependencies]\nb = "1"\n',
    ],
)
def test_the_crates_of_a_manifest_without_a_lock_are_to_be_locked(manifest: str) -> None:
    assert crates_of({"rust/Cargo.toml": manifest}).to_lock == ("rust/Cargo.toml",)


def test_a_workspace_is_locked_at_its_root_though_only_a_member_needs_crates() -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["one"]\n',
        "one/Cargo.toml": '[dependencies]\nb = "1"\n',
    }
    assert crates_of(files).to_lock == ("Cargo.toml",)


def test_an_example_without_a_lock_is_left_alone_where_the_project_has_one() -> None:
    files = {
        "rust/Cargo.toml": "",
        "rust/Cargo.lock": LOCKED,
        "example/Cargo.toml": '[dependencies]\nb = "1"\n',
    }
    assert crates_of(files).to_lock == ()


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ('[dependencies]\nb = "2"\n', True),
        ('[dependencies]\nb = "1"\n[features]\nx = []\n', True),
        ('[package]\nversion = "2"\n[dependencies]\nb = "1"\n', True),
        ('[package]\nname = "a"\ndescription = "x"\n[dependencies]\nb = "1"\n[lints]\n', False),
    ],
)
def test_only_what_changes_a_cargo_lock_asks_for_another_one(change: str, *, matters: bool) -> None:
    def digest(text: str) -> str:
        files = {"Cargo.toml": text}
        return cargo.requirements_digest("Cargo.toml", tree_of(files), files.get)

    before = digest('[package]\nname = "a"\n[dependencies]\nb = "1"\n')
    assert (digest(change) != before) == matters


def test_a_manifest_of_paths_alone_needs_no_lock() -> None:
    files = {"Cargo.toml": '[dependencies]\nb = { path = "b" }\n', "b/Cargo.toml": ""}
    assert crates_of(files).unpinned == ()


def test_crates_that_the_project_brings_are_told_by_its_configuration() -> None:
    files = {
        "Cargo.toml": "",
        "Cargo.lock": LOCKED,
        ".cargo/config.toml": VENDORED,
        "third/crates/b/Cargo.toml": "",
        "third/crates/b/.cargo-checksum.json": "{}",
    }
    assert crates_of(files).vendored
    del files["third/crates/b/Cargo.toml"], files["third/crates/b/.cargo-checksum.json"]
    assert not crates_of(files).vendored


def test_a_change_of_a_source_file_is_no_change_of_what_is_fetched() -> None:
    files = {"Cargo.toml": '[[bin]]\npath = "x/tool.rs"\n', "Cargo.lock": LOCKED}
    sources = {"src/lib.rs": "fn a() {}", "x/tool.rs": "fn main() {}", "src/other.rs": "1"}
    before = cargo.manifests(tree_of(files | sources), files.get)
    after = cargo.manifests(tree_of(files | dict.fromkeys(sources, "//")), files.get)
    assert before == after
    assert {path for path, _ in before.walk()} == {*files, "src/lib.rs", "x/tool.rs"}


def test_a_changed_lock_is_a_change_of_what_is_fetched() -> None:
    one, other = {"Cargo.toml": "", "Cargo.lock": LOCKED}, {"Cargo.toml": "", "Cargo.lock": "# x"}
    assert cargo.manifests(tree_of(one), one.get) != cargo.manifests(tree_of(other), other.get)
