"""A target's Rust standard library, compiled here, once, from the distribution's own source of it.

It serves musl targets, for which no distribution has one compiled; rustup has (``rustup target add``).
The compiler, cargo and the source are of one version. Cargo's features are those of
``src/bootstrap/src/core/build_steps/compile.rs``; the crates that it needs are in the source package.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from mpforge import processes
from mpforge.errors import ToolUnavailable
from mpforge.obtain.distro import roots
from mpforge.plan.pins import DistroPin

RECIPE = "1"
"""The version of this recipe, for digests: another one makes another library."""

_SECONDS = 7200.0
_LINES = 12


def build(
    pin: DistroPin,
    triple: str,
    programs: Path,
    compilers: Callable[[Path], Mapping[str, str]],
    *,
    state: Path,
    tree: Path,
) -> None:
    """Compile the source of ``pin`` for ``triple`` into ``lib/rustlib`` of ``tree``.

    ``programs`` is the toolchain's sysroot. ``compilers`` returns the variables of a program that compiles in
    a directory for this machine; build scripts are linked by their ``CC``.
    Raises ``ToolUnavailable`` with the end of cargo's output.
    """
    work = tree / "work"
    roots.make_root(pin, state=state, root=work / "source")
    (library,) = (work / "source" / "usr" / "src").glob("rustc-*/library")
    made = work / "target"
    environment = compilers(work)
    words = ["build", "--offline", "--release", "-Zavoid-dev-deps", "--features", "panic-unwind"]
    words += ["--config", 'source.crates-io.replace-with="vendor"']
    words += ["--config", f'source.vendor.directory="{library}/vendor"']
    words += ["--manifest-path", "sysroot/Cargo.toml", "--target", triple]
    flags = (
        "-Zforce-unstable-if-unmarked",
        "-Cdebuginfo=0",
        "-Cembed-bitcode=yes",  # for projects that are optimised as a whole (lto)
        f"--remap-path-prefix={library.parent}=/rustc",
    )
    own = {
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_HOME": str(work / "cargo"),
        "CARGO_TARGET_DIR": str(made),
        "CARGO_TERM_COLOR": "never",
        "RUSTC": str(programs / "bin" / "rustc"),
        "RUSTC_BOOTSTRAP": "1",  # it is a part of the compiler, which is stable
        "__CARGO_DEFAULT_LIB_METADATA": "mpforge",  # the names of its files, free of paths
        **{f"CARGO_TARGET_{word}_LINKER": environment["CC"] for word in _hosts(programs)},
    }
    done = processes.capture(
        [str(programs / "bin" / "cargo"), *words],
        environment={**environment, **own},
        cwd=library,
        timeout=_SECONDS,
    )
    if done.returncode != 0:
        raise ToolUnavailable(
            f"Rust's standard library can't be compiled for {triple}",
            why="\n".join((done.stdout + done.stderr).strip().splitlines()[-_LINES:]),
            hint=f"rustup target add {triple}",
        )
    place = tree / "lib" / "rustlib" / triple / "lib"
    place.mkdir(parents=True)
    for file in sorted((made / triple / "release" / "deps").glob("*.rlib")):
        shutil.move(file, place / file.name)
    shutil.rmtree(work)


def _hosts(programs: Path) -> list[str]:
    """Return the machines that a toolchain has a standard library of, as cargo's variables name them."""
    found = (programs / "lib" / "rustlib").iterdir()
    return [f.name.replace("-", "_").upper() for f in found if (f / "lib").is_dir()]
