"""Find uses of host directories in a build for another machine, from its compiler wrappers' notes.

A refused call of a configure check is an answer: the thing is missing. A refused call of the build itself
leaves something out, even if the project goes on without it. Questions of build scripts to this machine,
whose answer differs on the target, leave no such trace: they are read from the scripts themselves, so they
are a hint, not a proof. Knows nothing of how a step runs.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from mpforge.diagnostics.step_failure import OPENMP
from mpforge.errors import HostLeak, LibraryMissing, StepFailed
from mpforge.platforms import Platform, well_known
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
_LAYOUT = (
    "name size and order in the format ('<I'), let the compiler decide, or set "
    'strategy = "hybrid" to run the script in the target\'s own Python'
)
_LARGEST = 1_000_000
_REMEDY = (
    "this host's files can't be used for {target}: build the library for it, by `libraries` in [build], "
    "and keep the project from naming the host's (by an option, environment variable or config setting "
    "of the project, or a patch in [build] before-build)"
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

    ``builder`` is the platform of this host, if it builds for another machine.
    """

    title: str
    target: str
    root: Path
    source: Path
    builder: Platform | None = None

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


def warnings(build: Build, notes: Sequence[WrapperNote], log: str) -> list[str]:
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
    lines += [
        f"{note.instead}: {note.flag} gets this machine's sizes and byte order, which {build.target} does "
        f"not have: {_LAYOUT}"
        for note in notes
        if note.kind == "layout"
    ]
    if build.builder is not None:
        lines += asked(build.source, build.builder, well_known()[build.target])
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
        for path in _all_scripts(source):
            if text.encode() in path.read_bytes() and (found := _lines_with(path, pattern)):
                return f"{path.relative_to(source)}:{found[0][0]}"
        above = posixpath.dirname(text) if text.startswith("/") else ""
        text = above if above.count("/") > 1 else ""
    return None


def _all_scripts(source: Path) -> Iterable[Path]:
    """Return a project's possible build scripts, Python's and top-level ones first."""
    for pattern in (*_SCRIPTS, *_MORE_SCRIPTS):
        for depth in range(_DEPTH):
            yield from _scripts(source, ["*/" * depth + pattern])


# --- questions to this machine ----------------------------------------------------------------


@dataclass(frozen=True)
class _Question:
    """A question's pattern in files of these names, and whose answer it gets.

    ``of``: the answer differs only if the word sizes, or the byte orders, differ.
    """

    files: tuple[str, ...]
    pattern: re.Pattern[str]
    answer: str
    of: Literal["", "bits", "endian"] = ""


_PYTHON = ("setup.py", "build.py", "_build.py", "*_build.py", "build_*.py", "*_backend.py")
_MAKE = ("Makefile", "makefile", "GNUmakefile", "*.mk")
_QUESTIONS = (
    _Question(
        _PYTHON,
        re.compile(r"/proc/cpuinfo|\bget_cpu_info\(|^\s*import cpuinfo|\bfrom cpuinfo import"),
        "this machine's CPU",
    ),
    _Question(
        _PYTHON,
        re.compile(r"\bfind_library\("),
        "this machine's libraries",
    ),
    _Question(
        _PYTHON,
        re.compile(
            r"\bdtype\(\s*['\"](?:[pPlLnN]|u?intp|u?long)['\"]|\bnp\.u?intp\b|\barray\(\s*['\"][lL]['\"]"
        ),
        f"this machine's word size: {_LAYOUT}",
        of="bits",
    ),
    _Question(
        _PYTHON,
        re.compile(r"\.(?:tofile|tobytes)\("),
        f"bytes in this machine's byte order, unless the call names another: {_LAYOUT}",
        of="endian",
    ),
    _Question(
        (*_PYTHON, *_MAKE),
        re.compile(r"\bgetconf\b['\", ]+(?:LONG|WORD)_BIT\b"),
        "this machine's word size",
        of="bits",
    ),
    _Question(
        (*_PYTHON, *_MAKE),
        re.compile(r"\buname +-[mp]\b|['\"]uname['\"]\s*,\s*['\"]-[mp]"),
        "this machine's name",
    ),
    _Question(
        ("CMakeLists.txt", "*.cmake"),
        re.compile(r"\bCMAKE_HOST_SYSTEM_PROCESSOR\b"),
        "this machine's processor (CMAKE_SYSTEM_PROCESSOR is the target's)",
    ),
)


def asked(source: Path, builder: Platform, target: Platform) -> list[str]:
    """Return each question with its place, ``setup.py:12 (find_library() gets this machine's libraries``.

    Only top-level scripts are read, and each is listed once for a question. Questions about what ``builder``
    and ``target`` have in common are left out.
    """
    same = {of for of in ("bits", "endian") if getattr(builder, of) == getattr(target, of)}
    return [
        f"{path.name}:{number} ({text}) gets {question.answer}"
        for question in _QUESTIONS
        if question.of not in same
        for path in _scripts(source, question.files)
        for number, text in _lines_with(path, question.pattern)[:1]
    ]


def _scripts(source: Path, globs: Iterable[str]) -> Iterator[Path]:
    """Yield the files below a directory that match, sorted, without those too large for a script."""
    found = {path for glob in globs for path in source.glob(glob)}
    yield from (p for p in sorted(found) if p.is_file() and p.stat().st_size < _LARGEST)


def _lines_with(path: Path, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    """Return the number of each line with a match outside comments, and the matched text."""
    lines = path.read_text("utf-8", "replace").splitlines()
    matches = ((n, pattern.search(line.partition("#")[0])) for n, line in enumerate(lines, 1))
    return [(n, match[0]) for n, match in matches if match is not None]
