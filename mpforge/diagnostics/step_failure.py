"""Compose the error of a step's failed program, with cause and remedy from its last lines.

``log_patterns`` and ``cross_compiling`` search the lines; this module confirms causes and words them.
Knows nothing of how programs are run.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts import elf
from mpforge.compiler.programs import CARRIED, declared_as
from mpforge.diagnostics import (
    cross_compiling,
    failed_extensions,
    first_error,
    library_remedy,
    log_patterns,
)
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
from mpforge.obtain.rust import rust_version

MAKE_ROOM = (
    "run `docker system df` to see what takes the space, and `docker system prune` to remove what "
    "is unused"
)
INTO_IMAGE = (
    "install it by before-all in [build] (with the image's package manager and network = true), or "
    "name an image that has it in [build] image"
)
BEYOND_BASE = (
    'set base-programs = "host" in [build] and declare it in [build] tools; or name an image that has it in '
    "[build] image; or add a package that contains it to [build] requires"
)
_NEAR = 60  # lines: the length of a build backend's chained traceback
# A shell's status for a program not found (POSIX), as Python, make and ninja repeat it: the shell's
# own message may be above a longer traceback.
_LACKED = re.compile(r"exit status 127\b|Error 127\b|exit=127\b|code=127\b")
_BROKEN, _REFUSED, _NOT_RUN = (f"exit status {number}" for number in (3, 4, 5))
_DESELECTED = (
    "change -k, -m or --deselect in the command or in pytest's configuration: together they "
    "deselect every test"
)
_BY_SIGILL = ("signal 4", "exit status 132")  # a shell reports 128 + 4
_BY_SIGBUS = ("signal 7", "exit status 135")
_ALIGN_IT = (
    "look for C code that casts a pointer to one of a wider type, and use memcpy() there: this "
    "instruction needs an aligned address (on Arm: ldm, stm, ldrd, vldr). A memory-mapped file that "
    "became shorter is another possible cause"
)
OPENMP = (
    'set target-requires = ["cmeel-libomp"] in [build] to get LLVM\'s runtime, which is then '
    "shipped with the wheel; or look for an option of the project to build without OpenMP"
)
_OPENMP_IN_IMAGE = (
    'set strategy = "emulate" to build with the image\'s gcc, whose runtime is then shipped with '
    "the wheel; or look for an option of the project to build without OpenMP"
)
_RUN_IT = (
    "start the target's programs with the emulator: {run} in [build] commands, "
    "CMAKE_CROSSCOMPILING_EMULATOR in CMake, exe_wrapper in Meson, and in automake's make check "
    'LOG_COMPILER = "{run}" in [build] environment; compile programs that only generate files for '
    'the build for this machine, with $CC_FOR_BUILD or $CXX_FOR_BUILD; or set strategy = "hybrid", '
    "which runs all such programs in a container"
)
_ANSWER_IT = (
    "give the answer (scikit-build-core: cmake.define.{name}=VALUE in config-settings; Meson: a property of "
    "the cross file; autoconf: the cache variable in [build] environment), remove the check, or set "
    'strategy = "hybrid", which runs it in a container'
)
_COMMIT_IT = (
    "commit the project's files (`git init`, `git add`, `git commit`): meson-python puts only "
    "committed files into an sdist; or set [sdist] enable = false to build wheels from the source's files"
)
_FIND_THEM = (
    "add the tests' files to [test] sources, the only files where tests run; or run tests that the "
    "wheel installs by `pytest --pyargs PACKAGE.tests`"
)
_PLUGIN = (
    "if a pytest plugin is missing, add it to [test] requires; or have pytest ignore the "
    "project's options: `pytest -o addopts=`"
)


@dataclass(frozen=True)
class Ended:
    """A step's failed program: its step, its directory, its exit status.

    ``offline``: it had no network. ``table`` is the spec's for this step. ``has`` returns whether the
    step has a program; ``image`` is the image that it ran in, None on this host. ``pinned``: its
    base programs are the pinned ones.
    """

    title: str
    table: str
    root: Path
    how: str
    offline: bool
    has: Callable[[str], bool]
    image: str | None = None
    pinned: bool = False

    @property
    def of_library(self) -> bool:
        """True if the step builds a native library."""
        return self.table.startswith("libraries.")

    def is_given(self, library: str) -> bool:
        """Return whether the step was given this native library."""
        return (self.root / "libraries" / library).is_dir()


def diagnosed(ended: Ended, lines: Sequence[str]) -> StepFailed:
    """Return the error, diagnosed by the program's last lines."""
    near = lines[-_NEAR:]
    return (
        _filled_disk(ended, near)
        or _met_illegal_instruction(ended, lines)
        or _met_bus_error(ended, lines)
        or _ran_target_program(ended, near)
        or _lacks_program(ended, lines if any(map(_LACKED.search, near)) else near)
        or _reached_out(ended, lines)
        or _needs_newer_rust(ended, near)
        or _crossed_badly(ended, near)
        or _without_repository(ended, near)
        or _without_tests(ended, near)
        or StepFailed(f"{ended.title} failed ({ended.how})", why=_complaint(ended, lines))
    )


def not_declared(
    title: str,
    table: str,
    program: str,
    why: str,
    *,
    image: str | None = None,
    pinned: bool = False,
) -> ToolNotDeclared:
    """Return the error of a step that calls a program that it, or its ``image``, does not have.

    ``pinned``: the step's base programs are the pinned ones, which [build] tools can't add to.
    """
    what = f"{title}: the step has no program {program}"
    remedy = (
        f'add tools = ["{declared_as(program)}"] to [{table}], which puts it on the step\'s PATH'
    )
    if image is not None:
        what = f"{title}: the image {image} has no program {program}"
        remedy = INTO_IMAGE
    elif table == "test":
        remedy = "add a package that contains it to [test] requires"
    elif pinned and declared_as(program) not in CARRIED:
        what += ", which is not among the pinned base programs"
        remedy = BEYOND_BASE
    return ToolNotDeclared(what, why=why, hint=remedy)


def _filled_disk(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a full disk; in a container it is the runtime's disk."""
    found = log_patterns.last(lines, log_patterns.FULL_DISK)
    if found is None or ended.image is None:
        return None
    return RuntimeFull(
        f"{ended.title} failed ({ended.how}): the container runtime's disk is full",
        why=found.line,
        hint=f"{MAKE_ROOM}; /dev/shm is small in a container",
    )


def _ran_target_program(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    sign = cross_compiling.ran_target_program(lines, lambda name: _is_elf(ended.root, name))
    if sign is None:
        return None
    if sign.question:
        what = "tries to run what it has compiled for the target"
        hint = _ANSWER_IT.format(name=sign.name or "NAME")
    else:
        program = sign.name or "a program"
        what = f"ran {program}, which is built for the target, not for this host"
        hint = "start it with {run}" if ended.table == "test" else _RUN_IT
    return RanTargetProgram(f"{ended.title} failed: it {what}", why=sign.line, hint=hint)


def _met_illegal_instruction(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a test's program that SIGILL ended, or one that it started; without the place."""
    found = log_patterns.last(lines, log_patterns.ILLEGAL_INSTRUCTION)
    if ended.table != "test" or (found is None and ended.how not in _BY_SIGILL):
        return None
    why = None if found is None else found.line
    return IllegalInstruction(
        f"{ended.title} failed: an illegal instruction ({ended.how})", why=why
    )


def _met_bus_error(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a test's program that SIGBUS ended, or one that it started."""
    found = log_patterns.last(lines, log_patterns.BUS_ERROR)
    if ended.table != "test" or (found is None and ended.how not in _BY_SIGBUS):
        return None
    why = None if found is None else found.line
    return StepFailed(f"{ended.title} failed: a bus error ({ended.how})", why=why, hint=_ALIGN_IT)


def _lacks_program(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    found = log_patterns.missing_program(lines, lambda name: not ended.has(name))
    if found is None or found.name is None:
        return None
    return not_declared(
        ended.title, ended.table, found.name, found.line, image=ended.image, pinned=ended.pinned
    )


def _reached_out(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    tried = log_patterns.unreachable(lines) if ended.offline else None
    if tried is None:
        return None
    return NetworkRefused(
        f"{ended.title} failed ({ended.how}): it tried to reach {tried.name or 'the network'}",
        why=tried.line,
        hint="libraries are built without network access: put the file into the library's source, or find a "
        f"build option that makes it unnecessary and add it to `options` in [{ended.table}]"
        if ended.of_library
        else f"the step has no network; set [{ended.table}] network = true if it needs one",
    )


def _needs_newer_rust(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    return rust_version.too_old(lines, ended.title) if ended.table != "test" else None


def _crossed_badly(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    if ended.table == "test":
        return None
    lines = failed_extensions.without_checks(lines)
    if flag := cross_compiling.foreign_flag(lines):
        return ForeignFlag(
            f"{ended.title} failed: it uses {flag.name}, which the target's CPU does not have",
            why=flag.line,
            hint="make the project use it only on CPUs that have it: setup.py can ask "
            "`sysconfig.get_platform()`, which names the target; or by an option of the project, "
            "or a patch in [build] before-build",
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
            hint="remove it (by an option of the project, or a patch in [build] before-build; "
            "mpforge does not, "
            "as it may change the result), or build with gcc: natively with "
            'toolchain = "gcc", otherwise with strategy = "emulate"',
        )
    if library := cross_compiling.missing_library(lines):
        return LibraryMissing(
            f"{ended.title} failed: it needs {library.name}, which neither the project nor the target has",
            why=library.line,
            hint=_library_remedy(library.name, ended),
        )
    return None


def _library_remedy(name: str | None, ended: Ended) -> str:
    if ended.image is not None:
        return library_remedy.WITHOUT_RECIPE
    return library_remedy.remedy(
        name, ended.is_given, table=ended.table, of_library=ended.of_library
    )


def _without_repository(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    sign = log_patterns.last(lines, log_patterns.WANTS_REPOSITORY)
    if sign is None or ended.table == "test":
        return None
    return StepFailed(
        f"{ended.title} failed: it needs a git repository", why=sign.line, hint=_COMMIT_IT
    )


def _without_tests(ended: Ended, lines: Sequence[str]) -> StepFailed | None:
    """Return the error of a test run without tests (status 5), or of a wrong call of pytest (status 4).

    https://docs.pytest.org/en/stable/reference/exit-codes.html; make and other runners have other codes.
    """
    none = log_patterns.last(lines, log_patterns.NO_TESTS)
    refused = log_patterns.last(lines, log_patterns.PYTEST_REFUSED)
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
    left = log_patterns.last(lines, log_patterns.NO_TESTS_LEFT)
    if left is not None and ended.how == _NOT_RUN:
        return StepFailed(f"{failed}: pytest deselected all tests", why=left.line, hint=_DESELECTED)
    return None


def _complaint(ended: Ended, lines: Sequence[str]) -> str | None:
    """Return the line that explains a failed build; for tests, only an error of a build tool."""
    if ended.table != "test":
        return first_error.complaint(lines, str(ended.root))
    return cross_compiling.failed_check(lines)


def _is_elf(root: Path, name: str) -> bool | None:
    """Return whether a program that a build ran is compiled; None if no file of this name is left."""
    found = [path for path in root.rglob(Path(name).name) if path.is_file()]
    return any(map(elf.is_elf, found)) if found else None
