"""What a target's packages hold for compilers, put over the host's packages of a build environment.

Build hooks import the host's packages and ask them where their headers and libraries are
(``numpy.get_include()``); what lies there must be the target's. Python's own modules stay the host's, and so
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
# Where auditwheel puts what a wheel's own modules need (PEP 600): nobody links against it.
_GRAFTED = ".libs"
# A .pc file names its place by itself or not at all; a run path into a build's directory means nothing.
_ABSOLUTE_PREFIX = re.compile(r"^prefix\s*=\s*/.*$", re.MULTILINE)
_RUN_PATH = re.compile(r"\s-Wl,-rpath[,=]\S+")


def graft(target: Path, site: Path) -> tuple[Path, ...]:
    """Put what ``target`` (a directory of the target's packages) has for compilers over ``site``.

    What the same packages of the host have for them goes, but for libraries that its own modules load:
    where the target's are then is returned. Raises ``ELFError`` for a damaged library.
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


def descriptions(site: Path) -> tuple[Path, ...]:
    """The directories of ``.pc`` files in an environment, sorted."""
    return tuple(sorted({path.parent for path in site.rglob("*.pc")}))


def openmp(site: Path) -> Path | None:
    """The directory with ``include/omp.h`` and ``lib/libomp.so`` in an environment, if a package has them."""
    roots = (path.parent.parent for path in sorted(site.rglob("include/omp.h")))
    return next((root for root in roots if (root / "lib" / "libomp.so").exists()), None)


def leave_for_compilers(target: Path) -> None:
    """Remove all that no compiler asks for. Raises ``OutputMissing`` where that is everything."""
    kept = set(_for_compilers(target))
    if not kept:
        raise OutputMissing(
            "the packages of [build] target-requires contain no headers or libraries for compilers",
            why="no header, no library, no .pc or .cmake file is among their files",
            hint="`requires` in [build] is for packages that the build only imports",
        )
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it holds something that is kept
                path.rmdir()
        elif path not in kept:
            path.unlink()


def relocated(text: str) -> str:
    """A ``.pc`` file that finds its prefix beside itself and leaves no run path."""
    return _RUN_PATH.sub("", _ABSOLUTE_PREFIX.sub("prefix=${pcfiledir}/../..", text))


def library_directories(target: Path) -> tuple[Path, ...]:
    """Where a target's packages have libraries that a wheel may have been linked with."""
    libraries = (path for path in _for_compilers(target) if _LIBRARY.match(path.name))
    return tuple(dict.fromkeys(path.parent for path in libraries))


def _for_compilers(root: Path) -> Iterator[Path]:
    """The headers, libraries and their descriptions below a directory, sorted."""
    for path in sorted(root.rglob("*")):
        found = path.suffix in _FOR_COMPILERS or _LIBRARY.match(path.name)
        if found and path.is_file() and not path.parent.name.endswith(_GRAFTED):
            yield path


def _loaded(site: Path) -> set[str]:
    """The libraries that the host's modules load, by file name."""
    return {name for path in elf.elf_files(site) for name in elf.read(path).needed}
