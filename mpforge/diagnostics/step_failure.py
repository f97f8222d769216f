"""Compose the error of a step's failed program, with cause and remedy from its last lines.

``log_patterns`` and ``cross_compiling`` search the lines; this module confirms causes and words them.
Knows nothing of how programs are run.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mpforge.artifacts import elf
from mpforge.compiler.programs import declared_as
from mpforge.diagnostics import cross_compiling, failed_extensions, first_error, log_patterns
from mpforge.errors import (
    ForeignFlag,
    IllegalInstruction,
    LibraryMissing,
    NetworkRefused,
    OpenmpUnavailable,
    RanTargetProgram,
    RuntimeFull,
    StepFailed,
    ToolNotDeclared,
    UnknownOption,
)

MAKE_ROOM = "docker system df shows what takes it, docker system prune removes what nobody uses"
INTO_IMAGE = (
    "before-all in [build] may install it (by the image's package manager, with network = true), or "
    "[build] image name an image that has it"
)
_NEAR = 60  # lines: the length of a build backend's chained traceback
# A shell's status for a program not found (POSIX), as Python, make and ninja repeat it: the shell's
# own message may be above a longer traceback.
_LACKED = re.compile(r"exit status 127\b|Error 127\b|exit=127\b|code=127\b")
_BROKEN, _REFUSED, _NOT_RUN = (f"exit status {number}" for number in (3, 4, 5))
_DESELECTED = (
    "-k, -m or --deselect, in the command or in pytest's configuration, deselects every test"
)
_BY_SIGILL = ("signal 4", "exit status 132")  # a shell reports 128 + 4
WITHOUT_LIBRARY = (
    "the project may have a copy of its own, or an option to do without it; [libraries] for the target are "
    "not available yet"
)
OPENMP = (
    'target-requires = ["cmeel-libomp"] in [build] brings LLVM\'s runtime, which is then shipped with the '
    "wheel; or the project may have an option to build without it"
)
_OPENMP_IN_IMAGE = (
    'strategy = "emulate" builds with the image\'s gcc, whose runtime is then shipped with the wheel; or the '
    "project may have an option to build without it"
)
_RUN_IT = (
    "a program of the target's is started by the emulator: in [build] commands by {run}, in CMake by "
    "CMAKE_CROSSCOMPILING_EMULATOR, in Meson by exe_wrapper, in automake's make check by "
    'LOG_COMPILER = "{run}" in [build] environment; what only makes files for the build is best '
    'compiled for this machine, by $CC_FOR_BUILD or $CXX_FOR_BUILD; strategy = "hybrid" runs all '
    "such programs, in a container"
)
_ANSWER_IT = (
    "config-settings may give the answer (scikit-build-core: cmake.define.{name}=VALUE; Meson: a property "
    "of the cross file; autoconf: the cache variable in [build] environment), or let the project not ask; "
    'strategy = "hybrid" lets it run what it asks by, in a container'
)
_COMMIT_IT = (
    "meson-python makes an sdist of what git has committed: `git init`, `git add` and `git commit`, or "
    "[sdist] enable = false builds wheels from the source's files"
)
_FIND_THEM = (
    "tests run in a directory with [test] sources only; tests that are installed with the wheel are found "
    "by `pytest --pyargs PACKAGE.tests`"
)
_PLUGIN = (
    "if the project's pytest configuration asks for a plugin, name that in [test] requires, or do without "
    "the options there: `pytest -o addopts=`"
)


@dataclass(frozen=True)
class Ended:
    """A step's failed program: its step, its directory, its exit status.

    ``offline``: it had no network. ``table`` is the spec's for this step. ``has`` returns whether the
    step has a program; ``image`` is the image that it ran in, None on this host.
    """

    title: str
    table: Literal["build", "test"]
    root: Path
    how: str
    offline: bool
    has: Callable[[str], bool]
    image: str | None = None


def diagnosed(ended: Ended, lines: Sequence[str]) -> StepFailed:
    """Return the error, diagnosed by the program's last lines."""
    near = lines[-_NEAR:]
    return (
        _filled_disk(ended, near)
        or _met_illegal_instruction(ended, lines)
        or _ran_target_program(ended, near)
        or _lacks_program(ended, lines if any(map(_LACKED.search, near)) else near)
        or _reached_out(ended, lines)
        or (_crossed_badly(ended, _of_build(near)) if ended.table == "build" else None)
        or _without_repository(ended, near)
        or _without_tests(ended, near)
        or StepFailed(f"{ended.title} failed ({ended.how})", why=_complaint(ended, lines))
    )


def not_declared(
    title: str,
    table: Literal["build", "test"],
    program: str,
    why: str,
    *,
    image: str | None = None,
) -> ToolNotDeclared:
    """Return the error of a step that calls a program that it, or its ``image``, does not have."""
    what = f"{title}: there is no program {program} in this step"
    remedy = f'tools = ["{declared_as(program)}"] in [build] puts it on the step\'s PATH'
    if image is not None:
        what = f"{title}: there is no program {program} in the image {image}"
        remedy = INTO_IMAGE
    elif table == "test":
        remedy = "[test] requires may name a package that carries it"
    return ToolNotDeclared(what, why=why, hint=remedy)


def _filled_disk(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a full disk; in a container it is the runtime's disk."""
    found = log_patterns.full_disk(lines) if ended.image is not None else None
    if found is None:
        return None
    return RuntimeFull(
        f"{ended.title} failed ({ended.how}): the container runtime's disk is full",
        why=found.line,
        hint=f"{MAKE_ROOM}; /dev/shm is small in a container, too",
    )


def _ran_target_program(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    sign = cross_compiling.ran_target_program(lines, lambda name: _is_elf(ended.root, name))
    if sign is None:
        return None
    if sign.question:
        what = "wants to run what it has compiled for the target"
        hint = _ANSWER_IT.format(name=sign.name or "NAME")
    else:
        program = sign.name or "a program"
        what = f"ran {program}, which is a program of the target's, not of this host"
        hint = "{run} starts it" if ended.table == "test" else _RUN_IT
    return RanTargetProgram(f"{ended.title} failed: it {what}", why=sign.line, hint=hint)


def _met_illegal_instruction(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a test's program that SIGILL ended, or one that it started; without the place."""
    found = log_patterns.illegal_instruction(lines)
    if ended.table != "test" or (found is None and ended.how not in _BY_SIGILL):
        return None
    why = None if found is None else found.line
    return IllegalInstruction(
        f"{ended.title} failed: an illegal instruction ({ended.how})", why=why
    )


def _lacks_program(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    found = log_patterns.missing_program(lines, lambda name: not ended.has(name))
    if found is None or found.name is None:
        return None
    return not_declared(ended.title, ended.table, found.name, found.line, image=ended.image)


def _reached_out(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    tried = log_patterns.unreachable(lines) if ended.offline else None
    if tried is None:
        return None
    return NetworkRefused(
        f"{ended.title} failed ({ended.how}): it tried to reach {tried.name or 'the network'}",
        why=tried.line,
        hint=f"the step has no network; set [{ended.table}] network = true if it needs one",
    )


def _crossed_badly(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    if flag := cross_compiling.foreign_flag(lines):
        return ForeignFlag(
            f"{ended.title} failed: it uses {flag.name}, which the target's CPU does not have",
            why=flag.line,
            hint="let the project ask for it on its own kind of CPU only: by an option of its own, or by a "
            "patch in [build] before-build",
        )
    if openmp := cross_compiling.wants_openmp(lines):
        return OpenmpUnavailable(
            f"{ended.title} failed: it needs OpenMP ({openmp.name}), which is not available for the target",
            why=openmp.line,
            hint=OPENMP if ended.image is None else _OPENMP_IN_IMAGE,
        )
    if option := cross_compiling.unknown_option(lines):
        return UnknownOption(
            f"{ended.title} failed: zig's compiler and linker do not support the option {option.name}",
            why=option.line,
            hint="it may change the result, so mpforge does not drop it: remove it (an option of the "
            "project, a patch in [build] before-build), or build with gcc: "
            'natively toolchain = "gcc", otherwise strategy = "emulate"',
        )
    if library := cross_compiling.missing_library(lines):
        return LibraryMissing(
            f"{ended.title} failed: it needs {library.name}, which neither the project nor the target has",
            why=library.line,
            hint=WITHOUT_LIBRARY,
        )
    return None


def _without_repository(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    sign = log_patterns.wants_repository(lines) if ended.table == "build" else None
    if sign is None:
        return None
    return StepFailed(
        f"{ended.title} failed: it needs a git repository", why=sign.line, hint=_COMMIT_IT
    )


def _without_tests(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a test run without tests (status 5), or of a wrong call of pytest (status 4).

    https://docs.pytest.org/en/stable/reference/exit-codes.html; make and other runners have other codes.
    """
    none = log_patterns.no_tests(lines)
    refused = log_patterns.pytest_refused(lines)
    failed = f"{ended.title} failed ({ended.how})"
    if ended.table != "test":
        return None
    if refused is not None and (none is not None or ended.how == _REFUSED):
        asks = "importing plugin" in refused.line or "unrecognized arguments" in refused.line
        hint = _PLUGIN if asks else _FIND_THEM if refused.name is not None else None
        return StepFailed(f"{failed}: pytest could not start", why=refused.line, hint=hint)
    if none is not None and ended.how not in (_REFUSED, _BROKEN):
        runner = "unittest" if none.line.isupper() else "pytest"
        return StepFailed(f"{failed}: {runner} found no tests", why=none.line, hint=_FIND_THEM)
    left = log_patterns.no_tests_left(lines) if ended.how == _NOT_RUN else None
    if left is not None:
        return StepFailed(f"{failed}: pytest deselected all tests", why=left.line, hint=_DESELECTED)
    return None


def _of_build(lines: Sequence[str]) -> list[str]:
    """Return the lines without compilers' errors about checks, which may fail in any build."""
    return [line for line in lines if not failed_extensions.is_of_check(line)]


def _complaint(ended: Ended, lines: Sequence[str]) -> str | None:
    """Return the line that explains a failed build; for tests, only an error of a build tool."""
    if ended.table == "build":
        return first_error.complaint(_of_build(lines), str(ended.root))
    found = cross_compiling.failed_check(lines)
    return None if found is None else found.line


def _is_elf(root: Path, name: str) -> bool | None:
    """Return whether a program that a build ran is compiled; None if no file of this name is left."""
    found = [path for path in root.rglob(Path(name).name) if path.is_file()]
    return any(map(elf.is_elf, found)) if found else None
