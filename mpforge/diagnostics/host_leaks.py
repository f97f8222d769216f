"""Find uses of host directories in a build for another machine, from its compiler wrappers' notes.

A refused call of a configure check is an answer: the thing is missing. A refused call of the build itself
leaves something out, even if the project goes on without it. Knows nothing of how a step runs.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mpforge.diagnostics.host_questions import asked, lines_with, scripts
from mpforge.diagnostics.step_failure import OPENMP
from mpforge.errors import HostLeak, LibraryMissing, StepFailed
from mpforge.platforms import well_known
from mpforge.toolchains.compiler_wrappers import WrapperNote

_INPUT = re.compile(r"\.(?:c|cc|cpp|cxx|c\+\+|C|m|s|S|o|obj|lo|pic\.o)$")
# Names of the test files of autoconf, distutils, CMake and Meson.
_CHECK = re.compile(
    r"(?:^|/)(?:conftest|_configtest|testfile|sanitycheck)\w*\.\w+$|/(?:CMakeScratch|CMakeTmp|meson-private)/"
)
_COMPILING = re.compile(
    r"^(?!.*(?:checking|supports argument)).*\s-[co]\s"
)  # not a line about a check
_NATIVE = re.compile(r"(?:-m(?:arch|cpu)|target-cpu)=native")
_OPTION = re.compile(
    r"^(?:-Wl,)?(?:(?:-I|-L|-B|-isystem|-idirafter|-iquote|-isysroot|-include|-imacros) ?|--[\w-]+[= ])?"
)
_SCRIPTS = ("*.py", "setup.cfg", "pyproject.toml", "CMakeLists.txt", "*.cmake", "meson.build")
_MORE_SCRIPTS = ("Makefile*", "makefile*", "GNUmakefile*", "*.mk", "configure*", "*.in", "*.sh")
# Errors that a refused call may cause.
_EXPLAINED = (StepFailed, LibraryMissing)
_DEPTH, _SHOWN = 4, 3
_REMEDY = (
    "build without it (by an option, environment variable or config setting of the project), use "
    "the project's own copy, or patch the line in [build] before-build: this host's files can't be "
    "used for {target}, and [libraries] for the target are not available yet"
)


@dataclass(frozen=True)
class Refused:
    """A compiler call that was refused: the host paths in it, its command line, its working directory."""

    flags: tuple[str, ...]
    call: str
    directory: str

    @property
    def inputs(self) -> list[str]:
        """The files that it would have compiled or linked."""
        words = self.call.split()
        return [
            w
            for o, w in pairwise(words)
            if o != "-o" and _INPUT.search(w) and not w.startswith("-")
        ]

    @property
    def output(self) -> str | None:
        """The file that it would have written, if the call names it."""
        words = self.call.split()
        return words[words.index("-o") + 1] if "-o" in words[:-1] else None


@dataclass(frozen=True)
class Build:
    """A build to examine: its title, its target, its directory, its source.

    ``host_bits`` is the word size of this host's programs, if it builds for another machine.
    """

    title: str
    target: str
    root: Path
    source: Path
    host_bits: int | None = None

    def shown(self, text: str) -> str:
        """Return a call or a file without paths of this run."""
        return text.replace(f"{self.root}/", "").replace(f"{self.root.resolve()}/", "")

    def is_check(self, refused: Refused) -> bool:
        """Return whether a call is only a check: it compiles a configure script's file or keeps no output."""
        places = [
            posixpath.normpath(posixpath.join(refused.directory, name)) for name in refused.inputs
        ]
        temporary = str(self.root.resolve() / "tmp"), str(self.root / "tmp")
        return all(
            _CHECK.search(place) or place.startswith(temporary) or not Path(place).exists()
            for place in places
        )

    def is_remade(self, refused: Refused) -> bool:
        """Return whether another call made the output of a refused one."""
        return refused.output is not None and Path(refused.directory, refused.output).exists()


def refused_calls(notes: Iterable[WrapperNote]) -> list[Refused]:
    """Return the refused calls in order, each with all its host paths."""
    calls: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        if note.kind == "refused":
            calls.setdefault((note.instead, note.directory), []).append(note.flag)
    return [Refused((*flags,), call, place) for (call, place), flags in calls.items()]


def explained(error: StepFailed, build: Build, notes: Sequence[WrapperNote]) -> StepFailed:
    """Return the error of a failed build: a ``HostLeak`` if the compilers refused some of its calls."""
    calls = refused_calls(notes)
    if not calls or type(error) not in _EXPLAINED:
        return error
    real = [call for call in calls if not build.is_check(call)]
    told = (
        "failed"
        if real
        else "failed; its configure checks could not see this host's headers and libraries"
    )
    return _leak(f"{build.title} {told}", build, real or calls)


def missed(build: Build, notes: Sequence[WrapperNote]) -> HostLeak | None:
    """Return the error of a build that succeeded without the outputs of refused calls, or None."""
    calls = [c for c in refused_calls(notes) if not (build.is_check(c) or build.is_remade(c))]
    if not calls:
        return None
    return _leak(
        f"{build.title} succeeded, but without something that the project asked for", build, calls
    )


def told(build: Build, notes: Sequence[WrapperNote], log: str) -> list[str]:
    """Return warnings about a build that succeeded, one a line."""
    native = [note.flag for note in notes if _NATIVE.fullmatch(note.flag)]
    lines = [
        f"{flag}{_where(build, flag)} was dropped: it selects this machine's CPU, but the result "
        f"must run on every {build.target}"
        for flag in dict.fromkeys(native)
    ]
    compiled = (line for line in log.splitlines() if _COMPILING.search(line))
    if not native and (match := _NATIVE.search("\n".join(compiled))):
        lines.append(
            f"{match[0]}{_where(build, match[0])}: the result runs only on CPUs like this machine's"
        )
    lost = dict.fromkeys(note.flag for note in notes if note.kind == "lost")
    lines += [f"{flag}{_where(build, flag)} was dropped: zig has no equivalent" for flag in lost]
    if any(note.kind == "openmp" for note in notes):
        lines.append(f"a check asked for OpenMP and found none: {OPENMP}")
    checks = [call for call in refused_calls(notes) if build.is_check(call)]
    if checks:
        named = ", ".join(dict.fromkeys(flag for call in checks for flag in call.flags))
        lines.append(f"configure checks that name this host's files failed: {named}")
    if build.host_bits is not None:
        bits = well_known()[build.target].bits
        lines += asked(build.source, same_bits=bits == build.host_bits)
    return [f"{build.title}: {line}" for line in lines]


def _leak(what: str, build: Build, calls: Sequence[Refused]) -> HostLeak:
    flags = list(dict.fromkeys(flag for call in calls for flag in call.flags))
    why = [f"{flag}{_where(build, path_of(flag))}" for flag in flags]
    program, _, words = calls[0].call.partition(" ")
    why.append(f"the call: {posixpath.basename(program)} {build.shown(words)}")
    if len(calls) > 1:
        files = dict.fromkeys(name for call in calls[1:] for name in call.inputs)
        shown = ", ".join([*files][:_SHOWN]) + (", …" if len(files) > _SHOWN else "")
        why.append(f"and {len(calls) - 1} more, for {build.shown(shown)}")
    named = " ".join(dict.fromkeys(path_of(flag) for flag in flags))
    return HostLeak(
        f"{what}: it names {named} of this host",
        why="\n".join(why),
        hint=_REMEDY.format(target=build.target),
    )


def path_of(flag: str) -> str:
    """Return the path in a compiler's argument (``-I/usr/include``, ``-Wl,-L/usr/lib``)."""
    return _OPTION.sub("", flag)


def _where(build: Build, text: str) -> str:
    found = origin(build.source, text)
    return "" if found is None else f" ({found})"


def origin(source: Path, text: str) -> str | None:
    """Return the line of a build script that has a text (``setup.py:12``), or else the directory above it."""
    while text:
        # Paths match only as a whole.
        pattern = re.compile(re.escape(text) + (r"(?![\w./-])" if text.startswith("/") else ""))
        for path in _scripts(source):
            if text.encode() in path.read_bytes() and (found := lines_with(path, pattern)):
                return f"{path.relative_to(source)}:{found[0][0]}"
        above = posixpath.dirname(text) if text.startswith("/") else ""
        text = above if above.count("/") > 1 else ""
    return None


def _scripts(source: Path) -> Iterable[Path]:
    """Return a project's possible build scripts, Python's and top-level ones first."""
    for pattern in (*_SCRIPTS, *_MORE_SCRIPTS):
        for depth in range(_DEPTH):
            yield from scripts(source, ["*/" * depth + pattern])
