"""What a project's Cargo files say of the crates that it needs."""

import hashlib
from collections.abc import Mapping

import pytest

from mpforge.errors import render
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
    assert found == cargo.Crates(("Cargo.toml",), vendored=False, wanted=True, unpinned=None)


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
def test_a_manifest_that_needs_crates_without_a_lock_is_told(manifest: str) -> None:
    found = crates_of({"Cargo.toml": manifest})
    assert found.unpinned == "Cargo.toml"
    assert "cargo generate-lockfile" in render(cargo.no_lock(found.unpinned))


def test_a_manifest_of_paths_alone_needs_no_lock() -> None:
    files = {"Cargo.toml": '[dependencies]\nb = { path = "b" }\n', "b/Cargo.toml": ""}
    assert crates_of(files).unpinned is None


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
