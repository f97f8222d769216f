"""Cross-compile a CPython that tests can run, from the sources of CPython, libffi and zlib.

Each comes with a configure script and a makefile, which are used as they are; ``compilers`` says how the
target is compiled for. What standard modules of the result lack is what needs more libraries: ssl, sqlite3,
bz2, lzma, readline, curses, dbm, uuid. Knows nothing of where the sources come from.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import NoTargetPython

RECIPE = "1"
"""The version of this recipe, for keys: another one makes another Python."""

_SECONDS = 7200.0
_LOG_LINES = 12
_WIDE = 200
# Tests wait for it less than for its compilation; zig takes a date in the code (getbuildinfo.c) for an error.
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
# Modules that need what no musl has, or headers that zig does not bring.
_LEFT_OUT = ("_crypt", "spwd", "nis", "ossaudiodev")
_CTYPES = ("_ctypes", "callbacks", "callproc", "stgdict", "cfield")
# Of the installed library: what no test of a package needs, and bytecode with times in it.
_PRUNED = ("test", "idlelib", "turtledemo", "ensurepip", "lib2to3/tests", "config-*", "__pycache__")


@dataclass(frozen=True)
class Sources:
    """Directories with unpacked sources, in which this may write."""

    cpython: Path
    libffi: Path
    zlib: Path


@dataclass(frozen=True)
class Kind:
    """What is built: ``triple`` is the target's GNU triple, ``threaded`` is without the GIL.

    ``python`` is a host CPython of the same minor version.
    """

    triple: str
    python: str
    threaded: bool = False


def build(sources: Sources, kind: Kind, *, environment: Mapping[str, str], dest: Path) -> None:
    """Build CPython and install it below ``dest`` (``opt/python``).

    ``environment`` names the compilers of the target (``CC``) and has the PATH of the build. Raises
    ``NoTargetPython`` with the end of the log.
    """
    work = sources.cpython.parent
    made = work / "made"
    run = _Run(dict(environment), work)
    _build_zlib(run, sources.zlib, kind.triple, made)
    _build_libffi(run, sources.libffi, kind.triple, made)
    _build_cpython(run, sources.cpython, kind, made)
    run("make", "install", f"DESTDIR={dest}", cwd=sources.cpython / "build")
    _prune(dest)


class _Run:
    """Runs programs, each with its output in one log."""

    def __init__(self, environment: dict[str, str], work: Path) -> None:
        self.environment = environment
        self._log = work / "log"

    def __call__(self, *argv: str, cwd: Path, **more: str) -> None:
        answer = processes.capture(
            argv, environment=self.environment | more, cwd=cwd, timeout=_SECONDS
        )
        said = answer.stdout + answer.stderr
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n{said}\n")
        if answer.returncode != 0:
            lines = [line[:_WIDE] for line in said.strip().splitlines()]
            errors = [line for line in lines if re.search(r"(^|\W)\w*[eE]rror\b: |\*\*\*", line)]
            name = cwd.relative_to(self._log.parent).parts[0]
            raise NoTargetPython(
                f"{name} can't be built for the target: {' '.join(argv[:2])} failed",
                why="\n".join((errors or lines)[-_LOG_LINES:]),
            )

    def make(self, *targets: str, cwd: Path) -> None:
        """Run make with the target's compilers, on as many processors as there are."""
        self("make", f"-j{os.cpu_count() or 1}", *targets, cwd=cwd)


def _build_zlib(run: _Run, source: Path, triple: str, made: Path) -> None:
    run("./configure", "--static", f"--prefix={made}", cwd=source, CHOST=triple)
    run.make("libz.a", cwd=source)
    for name in ("zlib.h", "zconf.h"):
        _put(source / name, made / "include")
    _put(source / "libz.a", made / "lib")


def _put(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder)


def _build_libffi(run: _Run, source: Path, triple: str, made: Path) -> None:
    kind = ("--disable-shared", "--enable-static", "--with-pic", "--disable-docs")
    # The code of 3.4's static trampolines calls a function that it does not declare, which clang refuses.
    left_out = ("--disable-exec-static-tramp", "--disable-multi-os-directory")
    where = (f"--host={triple}", f"--prefix={made}", f"--libdir={made}/lib")
    run("./configure", *kind, *left_out, *where, cwd=source, CXX="no")
    run.make(cwd=source)
    run.make("install", cwd=source)


def _build_cpython(run: _Run, source: Path, kind: Kind, made: Path) -> None:
    variables = {
        "PKG_CONFIG": "/bin/false",
        "CFLAGS": _FLAGS,
        "READELF": "true",  # configure insists on one, and does not use it
        "CPPFLAGS": f"-I{made}/include",
        "LDFLAGS": f"-L{made}/lib",
        **{f"{name}_CFLAGS": f"-I{made}/include" for name in ("ZLIB", "LIBFFI")},
        "ZLIB_LIBS": f"-L{made}/lib -lz",
        "LIBFFI_LIBS": f"-L{made}/lib -lffi",
    }
    folder = source / "build"
    folder.mkdir()
    # CPython wants to know the machine that builds by a triple unlike the target's, and its libc alike.
    where = (f"--host={kind.triple}", f"--build={os.uname().machine}-build-linux-musl")
    words = [*where, f"--with-build-python={kind.python}", *_OPTIONS, *_ANSWERS]
    if kind.threaded:
        words.append("--disable-gil")
    run("../configure", "-q", *words, cwd=folder, **variables)
    setup = folder / "Modules" / "Setup.stdlib"
    if _is_by_setup_py(source):
        lines = "".join(f"{line}\n" for line in static_modules(setup.read_text("utf-8")))
        (folder / "Modules" / "Setup.local").write_text(lines, "utf-8")
    run.make(cwd=folder)


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


def _prune(dest: Path) -> None:
    library = next((dest / "opt" / "python" / "lib").glob("python3.*"))
    for pattern in _PRUNED:
        for found in [*library.glob(pattern), *library.glob(f"**/{pattern}")]:
            shutil.rmtree(found, ignore_errors=True)
    shutil.rmtree(dest / "opt" / "python" / "share", ignore_errors=True)
