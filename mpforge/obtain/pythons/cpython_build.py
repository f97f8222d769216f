"""Cross-compile a CPython that tests can run, with the libraries of recipes for its standard modules.

Its configure script and makefile are used as they are. Modules that need more libraries (readline, curses,
dbm) say so when they are imported. Knows nothing of where the sources come from.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.obtain.pythons.build_log import BuildLog, machine_that_builds

RECIPE = "4"
"""The version of this recipe, for keys: another one makes another Python."""

# More optimization would cost more time than tests save. zig treats a date in the code as an error.
_FLAGS = "-O1 -w -Wno-date-time -Wno-error=date-time"

# What configure would see by running a program of the target, or files of the machine that it will run on.
_ANSWERS = (
    "ac_cv_file__dev_ptmx=yes",
    "ac_cv_file__dev_ptc=no",
    "ac_cv_buggy_getaddrinfo=no",
)
_OPTIONS = (
    "--prefix=/opt/python",
    "--enable-ipv6",
    "--without-ensurepip",
    "--disable-test-modules",
    "--without-static-libpython",
    "--without-readline",
    "--with-pkg-config=no",
)
# configure's name of each library that modules need, and what a link to it is told.
_LIBRARIES = {
    "BZIP2": "-lbz2",
    "LIBFFI": "-lffi",
    "LIBLZMA": "-llzma -lpthread",
    "LIBSQLITE3": "-lsqlite3 -lm -ldl -lpthread",
    "ZLIB": "-lz",
}
# Modules that need another library, which a build for tests is not worth.
_ABSENT = {
    "_curses": "ncurses",
    "_curses_panel": "ncurses",
    "_dbm": "ndbm",
    "_gdbm": "gdbm",
    "_tkinter": "Tk",
    "readline": "readline",
}
# Modules that need what no musl has, or headers that zig does not bring.
_LEFT_OUT = ("_crypt", "spwd", "nis", "ossaudiodev")
_CTYPES = ("_ctypes", "callbacks", "callproc", "stgdict", "cfield")
# Of the installed library: what no test of a package needs, and bytecode with times in it.
_PRUNED = ("test", "idlelib", "turtledemo", "ensurepip", "lib2to3/tests", "config-*", "__pycache__")


@dataclass(frozen=True)
class Kind:
    """What is built: ``triple`` is the target's GNU triple, ``threaded`` is without the GIL.

    ``python`` is a host CPython of the same version, patch level included: it runs the source's library.
    """

    triple: str
    python: str
    threaded: bool = False


def build(
    source: Path, kind: Kind, libraries: Path, *, environment: Mapping[str, str], dest: Path
) -> None:
    """Build the CPython of ``source`` and install it below ``dest`` (``opt/python``).

    ``libraries`` has ``include`` and ``lib`` (``recipe_libraries``). ``environment`` names the compilers of
    the target (``CC``) and has the PATH of the build. Raises ``NoTargetPython`` with the end of the log.
    """
    log = BuildLog(environment, source.parent)
    _configure(log, source, kind, libraries, environment["CC"])
    folder = source / "build"
    log.run("make", f"-j{os.cpu_count() or 1}", cwd=folder)
    # The library is compiled once it is pruned (``standard_library``); here it would be three times.
    log.run("make", "install", f"DESTDIR={dest}", "PYTHON_FOR_BUILD=true", cwd=folder)
    library = next((dest / "opt" / "python" / "lib").glob("python3.*"))
    _prune(library)
    forget_places(library, str(libraries), str(Path(environment["CC"]).parent))
    for name, needed in _ABSENT.items():
        (library / f"{name}.py").write_text(absent_module(name, needed), encoding="utf-8")


def _configure(log: BuildLog, source: Path, kind: Kind, libraries: Path, cc: str) -> None:
    variables = {
        # Since 3.13 it knows musl by this macro of its stdarg.h, but zig's own stdarg.h comes first.
        "CPP": f"{cc} -E{' -D__DEFINED_va_list' if 'musl' in kind.triple else ''}",
        "PKG_CONFIG": "/bin/false",
        "CFLAGS": _FLAGS,
        "READELF": "true",  # configure insists on one, and does not use it
        "CPPFLAGS": f"-I{libraries}/include",
        "LDFLAGS": f"-L{libraries}/lib",
    }
    for name, link in _LIBRARIES.items():
        variables |= {
            f"{name}_CFLAGS": f"-I{libraries}/include",
            f"{name}_LIBS": f"-L{libraries}/lib {link}",
        }
    folder = source / "build"
    folder.mkdir()
    here = machine_that_builds(kind.triple)
    words = [f"--host={kind.triple}", f"--build={here}", f"--with-build-python={kind.python}"]
    words += [
        f"--with-openssl={libraries}",
        *_OPTIONS,
        *_ANSWERS,
        *(("--disable-gil",) if kind.threaded else ()),
    ]
    log.run("../configure", "-q", *words, cwd=folder, **variables)
    if _is_by_setup_py(source):
        setup = folder / "Modules" / "Setup.stdlib"
        lines = "".join(f"{line}\n" for line in static_modules(setup.read_text("utf-8")))
        (folder / "Modules" / "Setup.local").write_text(lines, "utf-8")


def _is_by_setup_py(source: Path) -> bool:
    """Return whether this CPython builds its modules by a setup.py (before 3.12), which looks at the host."""
    return (source / "setup.py").is_file()


def static_modules(setup: str) -> Iterator[str]:
    """Yield the lines of a Setup.local: the modules of a Setup.stdlib, and ctypes, in the interpreter."""
    for line in setup.splitlines():
        words = line.split()
        if not words or words[0].lstrip("#") in (*_LEFT_OUT, "_ctypes"):
            continue
        yield re.sub(r"^\*(shared|@MODULE_BUILDTYPE@)\*", "*static*", line)
    files = " ".join(f"_ctypes/{name}.c" for name in _CTYPES)
    # makesetup takes a line with a "=" for a variable of make.
    has = " ".join(f"-DHAVE_FFI_{n}" for n in ("PREP_CIF_VAR", "PREP_CLOSURE_LOC", "CLOSURE_ALLOC"))
    yield f"_ctypes {files} -DPy_BUILD_CORE_MODULE {has} -lffi -ldl"


def absent_module(name: str, library: str) -> str:
    """Return the text of a module whose import raises an error with the reason."""
    why = (
        f"no module named {name!r}: this Python, which mpforge built for tests, has no {library};"
        " name another one by MPFORGE_TARGET_PYTHON_TARGET_PYTHON (docs/configuration.md)"
    )
    return f"raise ModuleNotFoundError({why!r}, name={name!r})\n"


def forget_places(library: Path, libraries: str, programs: str) -> None:
    """Remove the directories of this build from the build variables that Python knows of itself."""
    for file in library.glob("_sysconfigdata_*.py"):
        text = file.read_text("utf-8")
        text = re.sub(rf"-[IL]{re.escape(libraries)}/\w+ ?", "", text)
        file.write_text(text.replace(f"{programs}/", ""), "utf-8")


def _prune(library: Path) -> None:
    for pattern in _PRUNED:
        for found in [*library.glob(pattern), *library.glob(f"**/{pattern}")]:
            shutil.rmtree(found, ignore_errors=True)
    shutil.rmtree(library.parents[1] / "share", ignore_errors=True)
