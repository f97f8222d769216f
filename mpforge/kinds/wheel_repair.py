"""Make a backend's wheel fit to ship: repaired, tagged, verified.

auditwheel grafts libraries and finds the lowest tag that the audit proves; the wheel is then packed
canonically (``artifacts.canonical_archives``), and the claims of its tag are checked by
``artifacts.proof``. Knows nothing of how the wheel was built, except for the compiler errors in its
log.
"""

import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from mpforge.artifacts import canonical_archives, elf, step_paths, wheels
from mpforge.artifacts.binary_format import Promise
from mpforge.artifacts.proof import (
    inspected,
    machine_reasons,
    prove_wheel,
    reasons_of,
    refuse,
    refuse_damaged,
)
from mpforge.diagnostics import cross_compiling, failed_extensions, library_remedy
from mpforge.errors import NoExtension, OutputMissing, StepFailed, WheelRejected
from mpforge.kinds import wheel_libraries
from mpforge.kinds.wheel_libraries import GivenLibrary
from mpforge.places.root_contents import STEP, STEP_IN_IMAGE
from mpforge.places.step import StepDirectory, StepRun
from mpforge.plan.steps import RepairWheel
from mpforge.platforms import Platform, policy_version, well_known
from mpforge.platforms.policies import MUSL_ITSELF, platform_tag
from mpforge.toolchains import host_reads

_WIDE = 200  # characters of a compiler's line that are shown
_NOT_LOCATED = re.compile(r'required library "([^"]+)" could not be located')  # auditwheel's words
_TAG_IT = (
    "remove the file from the package, or give the wheel a platform tag: in setup.py, pass setup() a "
    "`distclass` whose `has_ext_modules` returns True, or a `bdist_wheel` command that sets "
    "`root_is_pure = False`"
)
_WHEEL = ("-m", "wheel")
UNPACKED = "wheel"
_AUDITWHEEL = """\
# auditwheel, which also notes the libraries of this host that it puts into a wheel, and the links to them.
import os, sys
from pathlib import Path
from auditwheel import repair
from auditwheel.main import main

def note(*paths):
    with open({notes!r}, "ab") as notes:
        notes.writelines(b"+" + os.fsencode(path) + b"\\n" for path in paths)

def noting(source, *rest):
    links = (path for path in Path(source).parent.iterdir() if path.is_symlink())
    note(source, *(path for path in links if path.resolve() == Path(source)))
    return copy(source, *rest)

copy = getattr(repair, "copylib", None)
if copy is None:
    note({unseen!r})
repair.copylib = noting
try:  # packages may name a file by the path that it had before /usr was merged
    from auditwheel._vendor.whichprovides import DpkgPackageProvider as dpkg
    owner = dpkg.whichprovides1
    dpkg.whichprovides1 = lambda path: owner(path) or owner(path.removeprefix("/usr"))
except (ImportError, AttributeError):
    pass
sys.exit(main())
"""


def own_packages() -> list[str]:
    """Return the directories with auditwheel and what else mpforge brings."""
    folders = (sysconfig.get_path(name) for name in ("purelib", "platlib"))
    return [*dict.fromkeys(folders)]


def repair(
    run: StepRun,
    command: RepairWheel,
    build_log: str,
    *,
    tell: Callable[[str], object] = str,
    python: str = sys.executable,
    libraries: Mapping[str, GivenLibrary] | None = None,
) -> Path:
    """Repair the one wheel in the step's source directory; the result is in its output directory.

    ``tell`` is called with warnings for the user; ``python`` runs auditwheel. ``libraries`` are the native
    ones that the wheel records. Raises ``NoExtension`` with the
    errors of ``build_log`` for a wheel that lacks extensions which failed to build, and what the proof
    raises.
    """
    from packaging.utils import InvalidWheelFilename

    wheel = sole_wheel(run.directory.source)
    try:
        pure = wheels.wheel_name(wheel.name).pure
    except InvalidWheelFilename as error:
        raise WheelRejected(
            f"{wheel.name} is not a valid wheel file name", why=str(error)
        ) from None
    platform = well_known()[command.target]
    content = run.directory.root / UNPACKED
    wheels.unpack(wheel, content)
    facts, damaged = inspected(content)
    refuse_damaged(wheel.name, damaged)
    compiled = [content / name for name in facts if (content / name).is_file()]
    _refuse(command, wheel, facts, pure=pure)
    told = _without_extensions(command, wheel, compiled, content, build_log, given=libraries or ())
    refuse(wheel.name, [*wheels.format_reasons(wheel.name, content)])
    promise = Promise.of(command, excluded=command.exclude)
    wheel = _with_musl_s_name(run, python, wheel, facts, promise)
    if any(file.needed for file in facts.values()):
        made = _audited(run, python, wheel, command)
    elif pure:
        made = Path(shutil.copy(wheel, run.directory.output / wheel.name))
    else:
        made = _tagged(run, python, wheel, command, platform)
    made = _without_absolute_rpaths(run, python, made)
    canonical_archives.rewrite_wheel(
        made,
        mtime=canonical_archives.epoch_of(run.environment),
        changes=_recorded(run, made, content, libraries or {}),
    )
    verified = run.directory.root / "verified"
    wheels.unpack(made, verified)
    wrong = [*wheels.format_reasons(made.name, verified), *wheels.record_reasons(verified)]
    refuse(made.name, wrong)
    only_pure = command.only_pure is not None
    for line in prove_wheel(made.name, verified, command.python, promise, pure=only_pure):
        run.note(line)
    steps = dict.fromkeys((run.place.to_place_paths(str(run.directory.root)), STEP, STEP_IN_IMAGE))
    for line in (*told, *step_paths.warnings(verified, steps)):
        tell(f"{made.name}: {line}")
    return made


def sole_wheel(folder: Path) -> Path:
    """Return the one wheel of a directory. Raises ``OutputMissing``."""
    found = sorted(path for path in folder.glob("*.whl") if not path.is_symlink())
    if len(found) != 1:
        raise OutputMissing(f"one wheel was expected, {len(found)} were built")
    return found[0]


def _refuse(
    command: RepairWheel, wheel: Path, compiled: Mapping[str, elf.ElfFacts], *, pure: bool
) -> None:
    """Raise the error of a faulty wheel as the backend made it."""
    if compiled and pure:
        raise WheelRejected(
            f"{wheel.name} claims to run anywhere but contains compiled code",
            why="\n".join(compiled),
            hint=_TAG_IT,
        )
    if command.only_pure is not None and not pure:
        raise WheelRejected(
            f"{wheel.name} is not pure Python, as was expected: {command.only_pure}",
            why="\n".join(compiled) or None,
            hint="set `pure = false` in [build] to build it for each target",
        )
    platform = well_known()[command.target]
    reasons = [
        f"{name}: {reason}"
        for name, file in compiled.items()
        for reason in machine_reasons(file, platform)
    ]
    if reasons:
        raise WheelRejected(
            f"{wheel.name} contains code for another machine", why="\n".join(reasons)
        )
    # auditwheel and patchelf read section headers; without them the file would seem to need no libraries.
    reasons = [f"{name}: has no section headers" for name, file in compiled.items() if file.bare]
    promise = Promise(platform, command.policy)
    reasons += reasons_of(compiled, promise, "*") if reasons else []
    if reasons:
        raise WheelRejected(f"{wheel.name} can't be repaired", why="\n".join(reasons))


def _without_extensions(
    command: RepairWheel,
    wheel: Path,
    compiled: list[Path],
    content: Path,
    build_log: str,
    *,
    given: Collection[str],
) -> list[str]:
    """Return warnings for the user about missing extensions. Raises ``NoExtension``."""
    if command.only_pure is not None:
        return []
    log = failed_extensions.tried(build_log)
    modules = [path.relative_to(content).as_posix() for path in compiled]
    # If there are others, a module that is absent without an error has another name.
    lost = failed_extensions.missing(log.names, modules) if log.errors or not modules else []
    refused = [n for n in lost if not any(fnmatchcase(n, g) for g in command.optional)]
    allowed = command.pure or (lost and not refused)
    pure = wheels.wheel_name(wheel.name).pure
    if refused and not command.pure:
        raise NoExtension(
            f"{wheel.name} lacks {' and '.join(refused)}, which failed to build",
            why=_after_errors(log.errors),
            hint=_remedy(refused, build_log, given),
        )
    if not compiled and not allowed and (log.of_source or not pure):
        claims = "claims to run anywhere" if pure else f"is for {command.target}"
        raise NoExtension(
            f"{wheel.name} {claims} but contains no compiled code",
            why=_after_errors(log.errors),
            hint=_remedy([], build_log, given),
        )
    if lost:
        by = "pure = true" if refused else "optional-extensions"
        return [f"{' and '.join(lost)} failed to build and is left out, as {by} in [build] allows"]
    if compiled and log.of_source and not log.names:
        first = next(line for line in log.errors if " error: " in line)
        return [
            f"the build went on after compiler errors, so something may be missing; the first: {first}"
        ]
    if pure and not command.pure:
        return ["pure Python: nothing was compiled; set pure = true in [build] if that is intended"]
    return []


def _after_errors(errors: tuple[str, ...]) -> str:
    if not errors:
        return "the build's log shows no compiler error: does the project have an extension module?"
    shown = (line if len(line) < _WIDE else f"{line[:_WIDE]} …" for line in errors)
    return "\n".join(["the build went on after these errors:", *shown])


def _remedy(refused: list[str], build_log: str, given: Collection[str]) -> str:
    remedy = "`pure = true` in [build] if the wheel may do without compiled code"
    if refused:
        named = ", ".join(f'"{name}"' for name in refused)
        what = "it" if len(refused) == 1 else "them"
        remedy = f"`optional-extensions = [{named}]` in [build] if the wheel may do without {what}"
    lines = failed_extensions.without_checks(build_log.splitlines())
    if missing := cross_compiling.missing_library(lines):
        own = library_remedy.remedy(missing.name, given.__contains__)
        return f"{own}; or set {remedy}"
    return f"fix the errors, or set {remedy}"


def _tagged(
    run: StepRun, python: str, wheel: Path, command: RepairWheel, platform: Platform
) -> Path:
    """Tag a wheel without needed libraries for the oldest system of its kind: there are none to graft.

    auditwheel refuses an abi3 extension that needs not even libc ("couldn't detect libc").
    """
    lowest = min(command.policy, platform.default_policy, key=policy_version)
    tag = platform_tag(lowest, platform)
    copy = Path(shutil.copy(wheel, run.directory.output / wheel.name))
    _call(run, python, *_WHEEL, "tags", "--remove", "--platform-tag", tag, copy)
    return sole_wheel(run.directory.output)


def _audited(run: StepRun, python: str, wheel: Path, command: RepairWheel) -> Path:
    excluded = [word for library in command.exclude for word in ("--exclude", library)]
    script = auditwheel(run.directory)
    options, output = [*excluded, *command.arguments], run.directory.output
    try:
        _call(run, python, "-P", script, "repair", *options, "-w", output, wheel)
    except StepFailed as error:
        if (found := _NOT_LOCATED.search(error.why or "")) is None:
            raise
        raise WheelRejected(
            f"{wheel.name} needs {found[1]}, which was not found",
            why="it is not in the system's directories, nor in a directory of a file's rpath",
            hint="add `-Wl,-rpath,DIR` with the library's directory to LDFLAGS in [build] environment, and "
            f'it is copied into the wheel; or set `repair.exclude = ["{found[1]}"]` in [build] if users '
            "have it",
        ) from None
    return sole_wheel(run.directory.output)


def auditwheel(directory: StepDirectory) -> Path:
    """Write a script that is auditwheel; it needs mpforge's own packages, and patchelf on PATH."""
    script = directory.root / "repair_wheel.py"
    notes = directory.root / host_reads.NOTES
    text = _AUDITWHEEL.format(notes=str(notes), unseen=host_reads.UNSEEN)
    script.write_text(text, encoding="utf-8")
    return script


def rpaths(directory: StepDirectory) -> set[Path]:
    """Return the directories of this host that the files of an unpacked wheel take libraries from."""
    files = elf.elf_files(directory.root / UNPACKED)
    return {Path(entry) for path in files for entry in _absolute(elf.read(path).rpaths)}


def _without_absolute_rpaths(run: StepRun, python: str, wheel: Path) -> Path:
    """Remove rpaths into directories of this host: files look for libraries only next to themselves.

    auditwheel leaves the rpath of a file as it is if it grafts nothing for it.
    """
    look = run.directory.root / "repaired"
    wheels.unpack(wheel, look)
    changes = {}
    for path in elf.elf_files(look):
        rpaths = elf.read(path).rpaths
        if wrong := _absolute(rpaths):
            run.note(f"removed from {path.name}'s rpath: {' '.join(wrong)}")
            kept = ":".join(entry for entry in rpaths if entry not in wrong)
            change = ("--set-rpath", kept) if kept else ("--remove-rpath",)
            changes[path.relative_to(look).as_posix()] = change
    return _patched(run, python, wheel, changes)


def _recorded(
    run: StepRun, wheel: Path, before: Path, libraries: Mapping[str, GivenLibrary]
) -> dict[str, bytes | None]:
    """Return the files by which a wheel says which native libraries are in it."""
    if not libraries:
        return {}
    after = run.directory.root / "recorded"
    wheels.unpack(wheel, after)
    copied, _ = host_reads.looked_for(run.directory.root / host_reads.NOTES)
    return wheel_libraries.record(wheel.name, before, after, libraries, copied)


def _with_musl_s_name(
    run: StepRun, python: str, wheel: Path, facts: Mapping[str, elf.ElfFacts], promise: Promise
) -> Path:
    """Let files need musl by the policy's name for it, by which auditwheel knows it.

    A link with flags that its libraries were not made for in advance finds zig's own stub, ``libc.so``.
    """
    wrong = [path for path, file in facts.items() if MUSL_ITSELF in file.needed]
    name = promise.system.musl if wrong else None  # a pure wheel's policy is none of a system
    if name is None:
        return wheel
    change = ("--replace-needed", MUSL_ITSELF, name)
    return _patched(run, python, wheel, dict.fromkeys(wrong, change))


def _patched(
    run: StepRun, python: str, wheel: Path, changes: Mapping[str, tuple[str, ...]]
) -> Path:
    """Change files of a wheel in place by patchelf; ``changes`` are its options by the files' names."""
    if not changes:
        return wheel
    place = Path(tempfile.mkdtemp(prefix="patched-", dir=run.directory.root))
    _call(run, python, *_WHEEL, "unpack", "--dest", place, wheel)
    (folder,) = place.iterdir()
    for name, options in changes.items():
        _call(run, "patchelf", *options, folder / name)
    wheel.unlink()
    _call(run, python, *_WHEEL, "pack", "--dest-dir", wheel.parent, folder)
    return sole_wheel(wheel.parent)


def _absolute(rpaths: tuple[str, ...]) -> list[str]:
    return [entry for entry in rpaths if not entry.startswith(("$ORIGIN", "${ORIGIN}"))]


def _call(run: StepRun, *argv: str | Path) -> None:
    """Run a program with mpforge's own first on PATH (patchelf), and the system's last (dpkg, rpm)."""
    path = f"{sysconfig.get_path('scripts')}:{run.environment['PATH']}:/usr/bin"
    run.call([*map(str, argv)], extra={"PATH": path})
