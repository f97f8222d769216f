"""Replace the headers and libraries of a build environment's host packages by the target's.

Build hooks import the host's packages and ask them for the paths of their headers and libraries
(``numpy.get_include()``); those paths must hold the target's. Python's own modules stay the host's, and so
does a library that one of them loads. Knows nothing of stores, and not which packages these are.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mpforge.artifacts import elf
from mpforge.errors import OutputMissing

_FOR_COMPILERS = {
    *(".h", ".hh", ".hpp", ".hxx", ".h++", ".inc", ".inl", ".ipp", ".tcc", ".tpp"),
    *(".a", ".pc", ".cmake"),
}
_LIBRARY = re.compile(r"lib[^/]+\.so(\.[0-9.]+)?$")
# auditwheel's directory of a wheel's own libraries (PEP 600): nobody links against it.
_GRAFTED = ".libs"
# A .pc file must find its prefix by itself; a run path into a build's directory is meaningless.
_ABSOLUTE_PREFIX = re.compile(r"^prefix\s*=\s*/.*$", re.MULTILINE)
# Sizes that a package's headers note of the machine that it was built on (numpy's _numpyconfig.h), and what
# the compiler knows them by. Other sizes are the same on all targets.
_NOTED_SIZE = re.compile(rb"^([ \t]*#[ \t]*define[ \t]+\w*SIZEOF_(\w+)[ \t]+)(\d+)\b", re.MULTILINE)
_COMPILER_S = {
    b"LONG": b"__SIZEOF_LONG__",
    b"WCHAR_T": b"__SIZEOF_WCHAR_T__",
    **dict.fromkeys(
        (b"VOID_P", b"SIZE_T", b"INTP", b"UINTP", b"PY_INTPTR_T", b"INTPTR_T", b"UINTPTR_T"),
        b"__SIZEOF_POINTER__",
    ),
    **dict.fromkeys((b"LONGDOUBLE", b"LONG_DOUBLE"), b"__SIZEOF_LONG_DOUBLE__"),
    **dict.fromkeys(
        (b"COMPLEX_LONGDOUBLE", b"COMPLEX_LONG_DOUBLE"), b"(2 * __SIZEOF_LONG_DOUBLE__)"
    ),
}
_RUN_PATH = re.compile(r"\s-Wl,-rpath[,=]\S+")


def graft(target: Path, site: Path) -> tuple[Path, ...]:
    """Copy the headers and libraries of ``target`` (a directory of the target's packages) over ``site``.

    Those of the same host packages are removed, except libraries that the host's modules load: for these the
    target's directories are returned. Raises ``ELFError`` for a damaged library.
    """
    loaded = _loaded(site)
    for package in sorted(path.name for path in target.iterdir() if path.is_dir()):
        for path in [*_for_compilers(site / package)]:
            if path.name not in loaded:
                path.unlink()
    aside = []
    for path in _for_compilers(target):
        if path.name in loaded:
            aside.append(path.parent)
            continue
        place = site / path.relative_to(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        if path.suffix == ".pc":
            place.write_text(relocated(path.read_text("utf-8", "replace")), "utf-8")
    return tuple(dict.fromkeys(aside))


def ask_compiler_for_sizes(site: Path) -> None:
    """Let headers of host packages ask the compiler for sizes, instead of noting another machine's.

    Apart from such sizes, numpy's headers are the same on all of Debian's machines, or ask the compiler
    already.
    """
    for path in sorted(site.rglob("*.h")):
        text = path.read_bytes()
        fitted = _NOTED_SIZE.sub(lambda m: m[1] + _COMPILER_S.get(m[2], m[3]), text)
        if fitted != text:
            path.write_bytes(fitted)


def descriptions(site: Path) -> tuple[Path, ...]:
    """Return the directories of ``.pc`` files in an environment, sorted."""
    return tuple(sorted({path.parent for path in site.rglob("*.pc")}))


def openmp(site: Path) -> Path | None:
    """Return the directory with ``include/omp.h`` and ``lib/libomp.so`` in an environment, or None."""
    roots = (path.parent.parent for path in sorted(site.rglob("include/omp.h")))
    return next((root for root in roots if (root / "lib" / "libomp.so").exists()), None)


def leave_for_compilers(target: Path) -> None:
    """Remove all files that no compiler reads. Raises ``OutputMissing`` if none is left."""
    kept = set(_for_compilers(target))
    if not kept:
        raise OutputMissing(
            "the packages of [build] target-requires contain no headers or libraries for compilers",
            why="no header, no library, no .pc or .cmake file is among their files",
            hint="use `requires` in [build] for packages that the build only imports",
        )
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it holds files that are kept
                path.rmdir()
        elif path not in kept:
            path.unlink()


def relocated(text: str) -> str:
    """Return a ``.pc`` file's text with a prefix relative to itself and no run path."""
    return _RUN_PATH.sub("", _ABSOLUTE_PREFIX.sub("prefix=${pcfiledir}/../..", text))


def library_directories(target: Path) -> tuple[Path, ...]:
    """Return the directories of libraries, in a target's packages, that a wheel may be linked with."""
    libraries = (path for path in _for_compilers(target) if _LIBRARY.match(path.name))
    return tuple(dict.fromkeys(path.parent for path in libraries))


def _for_compilers(root: Path) -> Iterator[Path]:
    """Yield the headers, libraries and ``.pc`` files below a directory, sorted."""
    for path in sorted(root.rglob("*")):
        found = path.suffix in _FOR_COMPILERS or _LIBRARY.match(path.name)
        if found and path.is_file() and not path.parent.name.endswith(_GRAFTED):
            yield path


def _loaded(site: Path) -> set[str]:
    """Return the libraries that the host's modules load, by file name."""
    return {name for path in elf.elf_files(site) for name in elf.read(path).needed}
