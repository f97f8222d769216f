"""The settings of cargo and the Rust backends in a step, so that they build for a target.

The linkers are the C compilers of the step; the same two are the ``cc`` crate's. Everything is written
into the step's own directory. Knows nothing of a toolchain's origin.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mpforge.obtain.rust import cargo_configuration
from mpforge.platforms import MUSL, Platform

# Facts: doc.rust-lang.org/cargo, "Environment variables" and "Configuration"; the cc crate's README;
# PyO3's guide, "Cross compiling"; maturin's and setuptools-rust's own sources.

# An extension module is loaded by a Python that has musl's shared library; Rust would link it statically.
_DYNAMIC = """
case " $* " in *" --target {triple} "*) set -- "$@" -C target-feature=-crt-static ;; esac"""
_ASKED = r"target_\(arch\|endian\|pointer_width\)[[:space:]]*="


@dataclass(frozen=True)
class Programs:
    """Programs that compile C, C++ and link, and that archive, for one machine."""

    cc: str
    cxx: str
    ar: str


@dataclass(frozen=True)
class Setup:
    """The variables of a step that calls cargo, those of build hooks, and the directory for PATH."""

    variables: Mapping[str, str]
    hooks: Mapping[str, str]
    path: str


def identity(target: Platform, *, cross: bool) -> str:
    """Return a digest of a build's settings, without its programs."""
    told = (_wrapper(target, cross=cross), _backends(target, "3", cross=cross), _quiet())
    return hashlib.sha256(repr(told).encode()).hexdigest()


def plain(directory: Path, sysroots: Sequence[Path]) -> Setup:
    """Return the setup of a step that builds nothing, such as making an sdist."""
    programs = _programs(directory, sysroots)
    variables = {"CARGO_HOME": str(directory / "cargo"), "CARGO_NET_OFFLINE": "true"}
    variables |= cargo_configuration.top(directory)
    return Setup(variables | _quiet(), {"MATURIN_NO_INSTALL_RUST": "1"}, str(programs))


def building(
    directory: Path,
    sysroots: Sequence[Path],
    *,
    host: Platform,
    target: Platform,
    compilers: Mapping[Platform, Programs],
    python: str | None,
) -> Setup:
    """Return the setup of a build; ``python`` is the target's minor version (``3.13``, ``3.13t``) or None.

    ``compilers`` has the programs of both machines, ``sysroots`` are those of ``provide``.
    """
    simple = plain(directory, sysroots)
    cross = host != target
    wrapper = directory / "rust" / "rustc.sh"
    wrapper.write_text(_wrapper(target, cross=cross), "utf-8")
    wrapper.chmod(0o755)
    variables = {
        **simple.variables,
        "CARGO_BUILD_TARGET": target.rust_triple,
        "RUSTC_WRAPPER": str(wrapper),
        "HOST_CFLAGS": "",
        "HOST_CXXFLAGS": "",
    }
    if len(sysroots) > 1:
        variables["MPFORGE_RUST_LIBRARIES"] = str(_joined(directory / "rust", sysroots))
    for platform, programs in compilers.items():
        variables |= _for_machine(platform.rust_triple, programs)
    own = compilers[host]
    variables |= {"HOST_CC": own.cc, "HOST_CXX": own.cxx, "HOST_AR": own.ar}
    hooks = {} if python is None else _backends(target, python, cross=cross)
    return Setup(variables, {**simple.hooks, **hooks}, simple.path)


def _quiet() -> dict[str, str]:
    return {
        "CARGO_TERM_COLOR": "never",
        "CARGO_TERM_PROGRESS_WHEN": "never",
        "CARGO_INCREMENTAL": "0",
    }


def _for_machine(triple: str, programs: Programs) -> dict[str, str]:
    """Return variables with the linker of a machine, and the programs of the ``cc`` crate for it."""
    word = triple.replace("-", "_")
    return {
        f"CARGO_TARGET_{word.upper()}_LINKER": programs.cc,
        f"CC_{word}": programs.cc,
        f"CXX_{word}": programs.cxx,
        f"AR_{word}": programs.ar,
    }


def _backends(target: Platform, python: str, *, cross: bool) -> dict[str, str]:
    """Return the variables for maturin, setuptools-rust and PyO3.

    mpforge itself repairs wheels; when crossing, PyO3 asks no interpreter: an extension module links to none.
    """
    words = ["--target", target.rust_triple, "--manylinux", "off"]
    if not cross:
        return {"MATURIN_PEP517_ARGS": " ".join(words)}
    return {
        "MATURIN_PEP517_ARGS": " ".join([*words, "--interpreter", f"python{python}"]),
        "PYO3_CROSS": "1",
        "PYO3_CROSS_PYTHON_VERSION": python,
        "PYO3_CROSS_PYTHON_IMPLEMENTATION": "CPython",
    }


def _programs(directory: Path, sysroots: Sequence[Path]) -> Path:
    """Return a directory for PATH with cargo and rustc alone."""
    folder = directory / "rust" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cargo", "rustc"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(sysroots[0] / "bin" / name)
    return folder


def _joined(directory: Path, sysroots: Sequence[Path]) -> Path:
    """Return one sysroot made of several: a link to each machine's standard library."""
    place = directory / "sysroot"
    libraries = place / "lib" / "rustlib"
    libraries.mkdir(parents=True, exist_ok=True)
    for sysroot in sysroots:
        for machine in (sysroot / "lib" / "rustlib").iterdir():
            link = libraries / machine.name
            if not link.is_symlink():
                link.symlink_to(machine)
    return place


def _wrapper(target: Platform, *, cross: bool) -> str:
    arch = target.rust_arch
    answers = {"arch": arch, "endian": target.endian, "pointer_width": str(target.bits)}
    values = {
        "CROSS": "1" if cross else "",
        "ARCH": arch,
        "ASKED": _ASKED,
        "DYNAMIC": _DYNAMIC.format(triple=target.rust_triple) if target.libc is MUSL else "",
        "ANSWERS": " ".join(
            f"--cfg 'mpforge_target_{name}=\"{value}\"'" for name, value in answers.items()
        ),
    }
    script = resources.files("mpforge.toolchains").joinpath("targetdata", "rustc.sh")
    text = script.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
