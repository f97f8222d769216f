"""A Rust extension module, built for another machine from crates that a registry of the test has.

Its crates are pinned by Cargo.lock, or without one by mpforge's lock.
"""

import hashlib
import io
import json
import platform
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.e2e.workspace import NOXFILE, PROGRAMS, Cache, Workspace

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or not Path("/usr/bin/apt-get").exists(),
        reason="needs a Rust for aarch64 from this host's distribution",
    ),
]

BUILD = "build-aarch64-cp311"
SPEC = """
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["aarch64"]

    [test]
    command = ["{python} -c 'import rusty; print(rusty.greeting())'"]
"""
PYPROJECT = """
    [build-system]
    requires = ["setuptools>=77", "setuptools-rust>=1.10"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "rusty"
    version = "1.0"

    [tool.setuptools]
    packages = ["rusty"]

    [[tool.setuptools-rust.ext-modules]]
    target = "rusty._native"
    binding = "NoBinding"
"""
MANIFEST = """
    [package]
    name = "rusty"
    version = "1.0.0"
    edition = "2021"

    [lib]
    name = "_native"
    crate-type = ["cdylib"]

    [dependencies]
    greeter = "1"
"""
BUILD_SCRIPT = """
    fn main() {
        let target = if cfg!(target_arch = "aarch64") { "aarch64" } else { "another machine" };
        println!("cargo:rustc-env=TOLD={target}");
    }
"""
# CPython's C API, as far as a module with one function needs it; 4 is METH_NOARGS, 1013 the API's version.
LIBRARY = """
    use std::ffi::{c_char, c_int, c_void, CString};

    type Object = *mut c_void;
    type Function = extern "C" fn(Object, Object) -> Object;

    #[repr(C)]
    struct Method { name: *const c_char, call: Option<Function>, flags: c_int, doc: *const c_char }

    #[repr(C)]
    struct Module {
        head: [usize; 5],
        name: *const c_char,
        doc: *const c_char,
        size: isize,
        methods: *mut Method,
        rest: [usize; 4],
    }

    extern "C" {
        fn PyModule_Create2(module: *mut Module, version: c_int) -> Object;
        fn PyUnicode_FromString(text: *const c_char) -> Object;
    }

    extern "C" fn greeting(_: Object, _: Object) -> Object {
        let text = format!("{} from {}, built for {}", greeter::word(), std::env::consts::ARCH, env!("TOLD"));
        unsafe { PyUnicode_FromString(CString::new(text).unwrap().as_ptr()) }
    }

    #[no_mangle]
    pub extern "C" fn PyInit__native() -> Object {
        let none: *const c_char = std::ptr::null();
        let own = Method { name: c"greeting".as_ptr(), call: Some(greeting), flags: 4, doc: none };
        let end = Method { name: none, call: None, flags: 0, doc: none };
        let methods = Box::leak(Box::new([own, end])).as_mut_ptr();
        let name = c"_native".as_ptr();
        let module = Module { head: [1, 0, 0, 0, 0], name, doc: none, size: -1, methods, rest: [0; 4] };
        unsafe { PyModule_Create2(Box::leak(Box::new(module)), 1013) }
    }
"""
LOCK = """
    version = 3

    [[package]]
    name = "greeter"
    version = "{version}"
    source = "registry+https://github.com/rust-lang/crates.io-index"
    checksum = "{checksum}"

    [[package]]
    name = "rusty"
    version = "1.0.0"
    dependencies = ["greeter"]
"""


class Registry:
    """A local registry (doc.rust-lang.org/cargo, "Source Replacement") and a CARGO_HOME that names it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "registry"
        self.home = root / "cargo"
        self.home.mkdir(parents=True)
        self.use(f'local-registry = "{self.root}"')

    def use(self, source: str) -> None:
        """Configure where crates come from."""
        text = f'[source.crates-io]\nreplace-with = "own"\n[source.own]\n{source}\n'
        (self.home / "config.toml").write_text(text, encoding="utf-8")

    def publish(self, version: str, word: str) -> str:
        """Add a version of the crate ``greeter``; its checksum."""
        manifest = f'[package]\nname = "greeter"\nversion = "{version}"\nedition = "2021"\n'
        library = f'pub fn word() -> &\'static str {{ "{word}" }}\n'
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, text in (("Cargo.toml", manifest), ("src/lib.rs", library)):
                entry = tarfile.TarInfo(f"greeter-{version}/{name}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        index = self.root / "index" / "gr" / "ee" / "greeter"
        index.parent.mkdir(parents=True, exist_ok=True)
        (self.root / f"greeter-{version}.crate").write_bytes(packed.getvalue())
        checksum = hashlib.sha256(packed.getvalue()).hexdigest()
        known = {"name": "greeter", "vers": version, "deps": [], "features": {}}
        with index.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({**known, "cksum": checksum, "yanked": False}) + "\n")
        return checksum


@pytest.fixture
def registry(place: Path) -> Registry:
    return Registry(place)


@pytest.fixture
def rusty(built: Workspace, place: Path, empty_cache: Cache, registry: Registry) -> Workspace:
    """A Rust extension module by setuptools-rust that needs a crate, and nothing built of it.

    zig, Python for the target and setuptools are pinned, Rust and setuptools-rust are not.
    """
    workspace = Workspace(place / "rusty", empty_cache, {"CARGO_HOME": str(registry.home)})
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", SPEC)
    workspace.write("pyproject.toml", PYPROJECT)
    workspace.write("MANIFEST.in", "include Cargo.* build.rs\nrecursive-include src *.rs\n")
    workspace.write("rusty/__init__.py", "from rusty._native import greeting\n")
    workspace.write("Cargo.toml", MANIFEST)
    workspace.write("build.rs", BUILD_SCRIPT)
    workspace.write("src/lib.rs", LIBRARY)
    shutil.copy2(built.root / "multiplatform.lock", workspace.root)
    pin(workspace, "1.0.0", registry.publish("1.0.0", "hello"))
    return workspace


def pin(workspace: Workspace, version: str, checksum: str) -> None:
    workspace.write("Cargo.lock", LOCK.format(version=version, checksum=checksum))


def test_a_rust_extension_is_cross_built_once_and_again_when_its_source_or_crates_change(
    rusty: Workspace, registry: Registry, place: Path
) -> None:
    """Configuration of cargo above a step changes no build."""
    rusty.edit(
        "src/lib.rs", "greeter::word()", 'if cfg!(surprise) { "what" } else { greeter::word() }'
    )
    run = rusty.nox("test-aarch64-cp311")
    assert run.code == 0, str(run)
    assert "hello from aarch64, built for aarch64" in rusty.log("test-aarch64-cp311")
    assert "asks for cfg(target_arch)" in rusty.log(BUILD)

    surprise = '[build]\nrustflags = ["--cfg", "surprise"]\ntarget-dir = "elsewhere"\n'
    for folder in (place, rusty.cache.root, rusty.root / ".mpforge"):
        (folder / ".cargo").mkdir()
        (folder / ".cargo" / "config.toml").write_text(surprise, encoding="utf-8")
    again = rusty.nox("test-aarch64-cp311")
    assert again.code == 0, str(again)
    assert {"sdist", BUILD, "test-aarch64-cp311"} <= again.cached
    before = rusty.wheel().read_bytes()
    for words in ([], ["--keep"]):
        anew = rusty.mpforge("run", "--no-cache", *words, BUILD)
        assert anew.code == 0, str(anew)
        assert anew.warnings == []
        assert rusty.wheel().read_bytes() == before

    rusty.edit("src/lib.rs", "{} from {}", "{}! From {}")
    flags = '[build]\nenvironment = { RUSTFLAGS = "-C target-cpu=native" }\n\n[test]'
    rusty.edit("multiplatform.toml", "[test]", flags)
    edited = rusty.nox(BUILD)
    assert edited.code == 0, str(edited)
    assert any("target-cpu=native" in line for line in edited.warnings)
    steps = rusty.steps()
    assert "wheel-aarch64-cp311" in steps
    assert "crates" not in steps

    registry.publish("1.1.0", "good morning")
    (rusty.root / "Cargo.lock").unlink()
    moved = rusty.nox("test-aarch64-cp311")
    assert moved.code == 0, str(moved)
    assert "crates" in rusty.steps()
    assert "good morning! From aarch64" in rusty.log("test-aarch64-cp311")
    lock = (rusty.root / "multiplatform.lock").read_text(encoding="utf-8")
    assert '{ name = "greeter", version = "1.1.0"' in lock


def test_crates_that_can_not_be_had_are_told_with_remedies(
    rusty: Workspace, registry: Registry, place: Path
) -> None:
    local = (registry.home / "config.toml").read_text(encoding="utf-8")
    registry.use('registry = "sparse+http://127.0.0.1:9/index/"')
    run = rusty.mpforge("run", "sdist")
    assert run.code == 4, str(run)
    assert "index-unreachable: the project's crates can't be fetched" in run.output
    assert "http://127.0.0.1:9/index/" in run.output
    assert "replace-with" in run.output
    (registry.home / "config.toml").write_text(local, encoding="utf-8")

    registry.publish("2.0.0", "hello")
    rusty.edit("Cargo.toml", 'greeter = "1"', 'greeter = "2"')
    run = rusty.mpforge("run", "sdist")
    assert run.code == 2, str(run)
    assert "Cargo.lock does not fit Cargo.toml" in run.output

    (rusty.root / "Cargo.lock").unlink()
    run = rusty.mpforge("run", "--locked", "sdist")
    assert run.code == 2, str(run)
    assert "pin-missing" in run.output
    assert "the crates of Cargo.toml" in run.output
    locked = rusty.mpforge("lock")
    assert locked.code == 0, str(locked)
    assert "+ greeter 2.0.0 (crate of Cargo.toml)" in locked.output
    rusty.edit("Cargo.toml", 'greeter = "2"', 'greeter = "3"')
    run = rusty.mpforge("run", "sdist")
    assert run.code == 2, str(run)
    assert "the crates that Cargo.toml requires can't be resolved" in run.output

    nowhere = {"MPFORGE_CACHE": str(place / "nothing-yet")}
    run = rusty.mpforge("plan", "deps-aarch64", "--json", env=nowhere)
    (session,) = json.loads(run.output)["sessions"]
    fetch = session["fetch"]
    assert any(item.startswith("rustc") for item in fetch["items"]), session
    assert fetch["bytes"] > 200_000_000, "zig and Rust"


def rustup(home: Path, *machines: str) -> dict[str, str | None]:
    """Variables that name rustup's toolchain of this host, with libraries for these machines."""
    toolchain = home / "toolchains" / "stable-x86_64-unknown-linux-gnu"
    for machine in machines:
        library = toolchain / "lib" / "rustlib" / f"{machine}-unknown-linux-gnu" / "lib"
        library.mkdir(parents=True)
        (library / "libcore-1.rlib").touch()
    (toolchain / "bin").mkdir()
    for name in ("cargo", "rustc"):
        (toolchain / "bin" / name).write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        (toolchain / "bin" / name).chmod(0o755)
    return {"RUSTUP_HOME": str(home)}


def test_a_rust_that_is_not_there_or_can_not_be_used_is_told_with_remedies(
    rusty: Workspace, place: Path
) -> None:
    (place / ".cargo").mkdir()
    above = place / ".cargo" / "config.toml"
    above.write_text("", encoding="utf-8")
    run = rusty.mpforge("run", "sdist", env=rustup(place / "whole", "x86_64", "aarch64"))
    assert run.code == 4, str(run)
    assert f"reads {above.resolve()}, which is above the step's directory" in run.output
    assert "MPFORGE_CACHE" in run.output
    above.unlink()

    hidden: dict[str, str | None] = {"PATH": str(PROGRAMS)}
    run = rusty.mpforge("run", "deps-aarch64", env=hidden | rustup(place / "half", "x86_64"))
    assert run.code == 4, str(run)
    assert "rustup target add aarch64-unknown-linux-gnu" in run.output
    lacking = "stable-x86_64-unknown-linux-gnu lacks the target aarch64-unknown-linux-gnu"
    assert lacking in run.output

    run = rusty.mpforge("run", BUILD, env=hidden | {"RUSTUP_HOME": str(place / "none")})
    assert run.code == 4, str(run)
    assert "there is no Rust for" in run.output
    assert "rustup target add" in run.output
