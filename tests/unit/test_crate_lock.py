"""A project without Cargo.lock is built with the crates that mpforge's lock pins."""

import hashlib
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import PinMissing, RustTooOld, render
from mpforge.kinds import fetch_crates
from mpforge.kinds.fetch_crates import FetchingCrates
from mpforge.lock import lock_file
from mpforge.obtain.pins import Pins
from mpforge.obtain.rust import crate_lock, rust_version
from mpforge.plan.pins import Crate, CratesPin, CratesRequest, Lock
from mpforge.plan.reporter import SILENT
from mpforge.plan.steps import FetchCrates, ProjectFiles
from mpforge.store.local import opened
from mpforge.store.trees import Directory

REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
LIBC = Crate("libc", "0.2.1", REGISTRY, "f" * 64)
OWN = Crate("own", "1.0.0", dependencies=("libc",))
MANIFEST = '[package]\nname = "own"\nversion = "1.0.0"\n[dependencies]\nlibc = "0.2"\n'


class Project:
    """A project of one manifest, its lock, and what was resolved so far."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.locked = root, False
        self.store = opened(root / "store")
        self.manifest = MANIFEST
        self.asked: list[tuple[CratesRequest, tuple[Crate, ...]]] = []
        monkeypatch.setattr(fetch_crates, "resolved", self._resolved)

    def _resolved(self, request: CratesRequest, *_: object, prefer: tuple[Crate, ...]) -> CratesPin:
        self.asked.append((request, prefer))
        return CratesPin(request, 4, (OWN, LIBC))

    def cargo_lock(self) -> str:
        """The Cargo.lock in the source of the step that fetches."""
        (self.root / "src").mkdir(exist_ok=True)
        (self.root / "src" / "Cargo.toml").write_text(self.manifest)
        source = self.store.put_directory(self.root / "src", ["Cargo.toml"])
        pins = Pins(
            self.root / "multiplatform.lock",
            index=cast("Any", None),
            state=self.root,
            locked=self.locked,
            reporter=SILENT,
            paths=cast("Any", None),
        )
        given = FetchingCrates().given(
            FetchCrates(ProjectFiles(), "stable"),
            {"source": source},
            cast(
                "Any",
                SimpleNamespace(
                    pins=pins,
                    store=self.store,
                    inputs=SimpleNamespace(read=lambda path: self.store.text(source, path)),
                    toolbox=SimpleNamespace(rust=SimpleNamespace(cargo=str)),
                ),
            ),
            cast("Any", None),
        )
        return self.store.text(given.trees["source"], "Cargo.lock") or ""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def test_crates_are_resolved_once_and_kept_in_the_lock(project: Project) -> None:
    first = project.cargo_lock()
    project.locked = True
    assert project.cargo_lock() == first
    assert len(project.asked) == 1
    assert tomllib.loads(first)["package"][1]["checksum"] == "f" * 64
    assert lock_file.read(project.root / "multiplatform.lock").crates[0].packages == (OWN, LIBC)


def test_a_manifest_that_changed_needs_new_pins_which_keep_what_fits(project: Project) -> None:
    project.cargo_lock()
    project.manifest = MANIFEST.replace('"0.2"', '"0.3"')
    project.locked = True
    with pytest.raises(PinMissing) as caught:
        project.cargo_lock()
    assert "the crates of Cargo.toml, which has no Cargo.lock or has changed" in render(
        caught.value
    )
    assert "mpforge lock" in render(caught.value)
    project.locked = False
    project.cargo_lock()
    assert project.asked[-1][1] == (OWN, LIBC)


def test_pins_of_crates_change_the_recipe_of_builds() -> None:
    def parts(lock: Lock) -> dict[str, str]:
        provision = SimpleNamespace(
            pins=SimpleNamespace(lock=lock), toolbox=SimpleNamespace(rust_parts=lambda *_: {})
        )
        command = FetchCrates(ProjectFiles(), "stable")
        given = SimpleNamespace(trees={})
        return FetchingCrates().parts(command, cast("Any", given), cast("Any", provision))

    pin = CratesPin(CratesRequest("Cargo.toml", "0" * 64), 4, (LIBC,))
    assert "crates.pins" in parts(Lock(crates=(pin,)))
    assert "crates.pins" not in parts(Lock())


def test_a_source_without_cargo_lock_gets_it_and_one_that_has_it_keeps_it(tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    made = tmp_path / "made"
    for path in (
        "crates/libc-0.2.1/Cargo.toml",
        "cargo-locks/Cargo.lock",
        "cargo-locks/b/Cargo.lock",
    ):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text("pinned")
    paths = [str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()]
    crates: Directory = store.put_directory(made, paths)
    source = tmp_path / "step" / "src"
    (source / "b").mkdir(parents=True)
    for folder in (source, source / "b"):
        (folder / "Cargo.toml").write_text("")
    (source / "b" / "Cargo.lock").write_text("own")
    fetch_crates.put_crates(store, crates, tmp_path / "step", source)
    assert (source / "Cargo.lock").read_text() == "pinned"
    assert (source / "b" / "Cargo.lock").read_text() == "own"
    assert (tmp_path / "step" / "crates" / "libc-0.2.1" / "Cargo.toml").is_file()


def test_a_cargo_lock_is_the_same_data_as_cargo_s_own() -> None:
    pin = CratesPin(CratesRequest("Cargo.toml", hashlib.sha256().hexdigest()), 4, (OWN, LIBC))
    table = tomllib.loads(crate_lock.text(pin))
    assert table == {
        "version": 4,
        "package": [
            {"name": "own", "version": "1.0.0", "dependencies": ["libc"]},
            {"name": "libc", "version": "0.2.1", "source": REGISTRY, "checksum": "f" * 64},
        ],
    }


# --- a Rust that is too old for a crate --------------------------------------------------------

UNSUPPORTED = """\
error: rustc 1.85.0 is not supported by the following packages:
  icu_provider@2.3.0 requires rustc 1.86
  time@0.3.51 requires rustc 1.88.0
Either upgrade rustc or select compatible dependency versions with
"""
SINGLE = (
    "error: package `time v0.3.51` cannot be built because it requires rustc 1.88.0 or newer, while "
    "the currently active rustc version is 1.63.0\n"
)
EDITION = """\
error: failed to parse manifest at `/build/crates/getrandom-0.4.0/Cargo.toml`

Caused by:
  feature `edition2024` is required

  The package requires the Cargo feature called `edition2024`, but \
that feature is not stabilized in this version of Cargo (1.84.1 (66221abde 2024-11-19)).
"""
LOCK = """\
error: failed to parse lock file at: /build/src/Cargo.lock
  lock file version `4` was found, but this version of Cargo does not understand this lock file, \
perhaps Cargo needs to be updated?
"""


@pytest.mark.parametrize(
    ("log", "what"),
    [
        (UNSUPPORTED, "time@0.3.51 needs Rust 1.88.0, and this is 1.85.0"),
        (SINGLE, "time v0.3.51 needs Rust 1.88.0, and this is 1.63.0"),
        (EDITION, "getrandom-0.4.0 needs Rust 1.85, and this is 1.84.1"),
        (LOCK, "Cargo.lock needs Rust 1.78, and this is an older one"),
    ],
)
def test_a_rust_that_is_too_old_is_told_with_both_versions(log: str, what: str) -> None:
    error = rust_version.too_old(log.splitlines(), "the wheel")
    assert isinstance(error, RustTooOld)
    assert error.what == f"the wheel failed: {what}"
    assert "rustup update stable" in render(error)


def test_other_errors_of_cargo_are_no_old_rust() -> None:
    assert rust_version.too_old(["error: no matching package named `nowhere` found"]) is None
