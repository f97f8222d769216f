"""Verify a build's result before it may be stored; raise the error of one that can't run.

docs/proofs.md lists what is proved of each kind of output: machine, glibc, libraries, symbols, tag. Each
check yields its findings as texts, none if it passes. The findings of the first check that has some become
the error: for a file of another machine, undefined symbols don't matter. Knows nothing of how a result was
built.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError

from mpforge.artifacts import elf, stable_abi, wheels
from mpforge.artifacts.binary_format import Binary, BinaryFormat, Promise
from mpforge.artifacts.elf import ElfFacts, is_glibc
from mpforge.artifacts.instructions import newer_instructions
from mpforge.artifacts.undefined_symbols import Surroundings, remedy, undefined
from mpforge.errors import (
    MpforgeError,
    NewerCpuNeeded,
    StableAbiBroken,
    UndefinedSymbol,
    WheelRejected,
)
from mpforge.platforms import Platform, policy_version
from mpforge.platforms.cpus import cpus_of
from mpforge.platforms.policies import MUSL_ITSELF, SystemPolicy, is_musl
from mpforge.store.files import files_below

_RAISE_POLICY = "raise [build] policy, or change what the build links"
_NEWER_CPU = (
    "remove the compiler option that enables it (-march=…, -mavx2, target-cpu=…), or use it only for "
    "functions that the program selects at run time (__builtin_cpu_supports, getauxval). If the program "
    "selects whole files in another way, name them in `allow-newer-cpu` in [build]"
)
_USE_COMPILERS = "let the build compile by the variables CC and CXX, which are for the target"
_LINK = "make the link relative (ln -sr) and declare what it leads to in outputs, or copy the file"
_SHOWN = 12
_LINUX = (0, 3, 64, 97)  # EI_OSABI: none, GNU, and ARM's two, which glibc's loader takes


def prove_files(root: Path, promise: Promise, title: str | None = None) -> list[str]:
    """Check the files of a build other than a wheel; wheels among them are checked for their own Python.

    ``title`` is what errors call the build. Returns notes for the log. Raises ``WheelRejected``,
    ``StableAbiBroken``, ``UndefinedSymbol``, ``NewerCpuNeeded``.
    """
    what = title or f"the build for {promise.platform.name}"
    links = list(_link_reasons(root))
    _reject(WheelRejected, f"{what} has symlinks that lead out of its outputs", links, _LINK)
    facts, reasons = format_of(promise.platform)(root, promise)
    foreign = any(f"not {promise.platform.elf_machine}" in reason for reason in reasons)
    hint = _USE_COMPILERS if foreign else _RAISE_POLICY
    _reject(WheelRejected, f"{what} does not meet {promise.policy}", reasons, hint)
    _refuse_undefined(what, facts, Surroundings(promise))
    notes = _refuse_newer(what, root, facts, promise)
    for wheel in sorted(root.rglob("*.whl")):
        with tempfile.TemporaryDirectory(prefix="mpforge-wheel-") as folder:
            notes += _prove_among_files(wheel, Path(folder) / "content", promise)
    return notes


def _link_reasons(root: Path) -> Iterator[str]:
    """Yield a reason for each symlink that does not lead to a file or directory below ``root``."""
    top = os.path.realpath(root)
    for name in files_below(root):
        path = os.path.join(top, name)
        if not os.path.islink(path):
            continue
        target = os.readlink(path)
        said = os.path.normpath(os.path.join(os.path.dirname(name), target))
        if os.path.isabs(target):
            yield f"{name} leads to {target}, an absolute path"
        # The text alone may mislead: `..` after another link is the parent of that link's target.
        elif said.split("/", 1)[0] == ".." or not Path(os.path.realpath(path)).is_relative_to(top):
            yield f"{name} leads to {target}, which is outside of the outputs"
        elif not os.path.exists(path):
            yield f"{name} leads to {target}, which is not among the outputs"


def _prove_among_files(wheel: Path, content: Path, promise: Promise) -> list[str]:
    """Check a wheel that commands made; a tag without a policy stands for the spec's policy."""
    from packaging.utils import InvalidWheelFilename

    wheels.unpack(wheel, content)
    try:
        name = wheels.wheel_name(wheel.name)
    except InvalidWheelFilename as error:
        raise WheelRejected(
            f"{wheel.name} is not a valid wheel file name", why=str(error)
        ) from None
    wrong = [*wheels.format_reasons(wheel.name, content), *wheels.record_reasons(content)]
    refuse(wheel.name, wrong)
    own = [abi for abi in (*name.abis, *name.pythons) if re.fullmatch(r"cp3\d+t?", abi)]
    python = min(own, default="cp311")  # one for every Python 3 may be checked for any
    if name.platforms == (f"linux_{promise.platform.machine}",):
        return _prove_content(wheel.name, content, python, promise, [])
    return prove_wheel(wheel.name, content, python, promise, pure=False)


def prove_wheel(
    filename: str, root: Path, python: str, promise: Promise, *, pure: bool
) -> list[str]:
    """Check a wheel by its name and its unpacked content; ``pure``: it must hold no compiled files.

    Returns notes for the log. Raises ``WheelRejected``, ``StableAbiBroken``, ``UndefinedSymbol``,
    ``NewerCpuNeeded``.
    """
    name = wheels.wheel_name(filename)
    reasons = list(tag_reasons(filename, promise.platform, promise.policy, python))
    if not reasons and not name.pure:  # it is checked against its own tag
        promised = [tag.removesuffix(f"_{promise.platform.machine}") for tag in name.platforms]
        # The audit may add an older policy to the tag than the one that it was compiled for.
        cpu = promise.cpu.name if promise.cpu else None
        promise = replace(promise, policy=min(promised, key=policy_version), raised=cpu)
    return _prove_content(filename, root, python, None if pure else promise, reasons)


def _prove_content(
    filename: str, root: Path, python: str, promise: Promise | None, reasons: list[str]
) -> list[str]:
    """Check what a wheel's tag promises of its compiled files; ``reasons`` are those against the tag itself.

    Without a ``promise`` only ``reasons`` count.
    """
    name = wheels.wheel_name(filename)
    if reasons or promise is None:
        _refuse_promise(filename, reasons)
        return []
    facts, reasons = format_of(promise.platform)(root, promise)
    if name.pure and facts:
        reasons.append("its platform tag is `any`, but it contains compiled code")
    oldest = stable_abi.promised(name, python)
    suffixes = list(stable_abi.suffix_reasons(facts, name, promise.platform))
    if reasons or oldest is None:
        _refuse_promise(filename, [*reasons, *suffixes])
    if any(file.is_module for file in facts.values()) and wheels.is_for_purelib(root):
        refuse(filename, ["WHEEL says Root-Is-Purelib, but the wheel has extension modules"])
    if oldest is not None:
        version = ".".join(map(str, oldest))
        _reject(
            StableAbiBroken,
            f"{filename} does not run on every Python since {version}, although its tag says so",
            [*suffixes, *stable_abi.symbol_reasons(facts, oldest)],
            f"compile with Py_LIMITED_API={oldest[0]:#04x}{oldest[1]:02x}0000 and name modules .abi3.so "
            "(setuptools: Extension(py_limited_api=True)), or tag the wheel for one Python only",
        )
    shares = any(map(_loads_globally, root.rglob("*.py")))
    there = Surroundings(promise, python, stable=oldest is not None, shares=shares)
    _refuse_undefined(filename, facts, there)
    return _refuse_newer(filename, root, facts, promise)


def _refuse_promise(filename: str, reasons: list[str]) -> None:
    _reject(WheelRejected, f"{filename} does not meet its tag", reasons, _RAISE_POLICY)


def refuse(filename: str, reasons: list[str]) -> None:
    """Raise ``WheelRejected`` for a file that breaks the wheel format (PEP 427), with each reason."""
    hint = "fix the build backend's configuration, or use another version of the backend"
    _reject(WheelRejected, f"{filename} is not a valid wheel", reasons, hint)


def refuse_damaged(filename: str, reasons: list[str]) -> None:
    """Raise ``WheelRejected`` for a wheel with compiled files that no loader would accept."""
    hint = (
        "the linker, or a program that the build runs on them (strip, patchelf), damaged them: build "
        'without that program, with another version of zig (tools = ["ziglang==VERSION"] in [build]), '
        'or with the gcc of an image (strategy = "emulate")'
    )
    _reject(WheelRejected, f"{filename} has damaged compiled files", reasons, hint)


def _refuse_undefined(what: str, facts: Mapping[str, Binary], there: Surroundings) -> None:
    lacking = list(undefined(facts, there))
    if lacking:
        names = {symbol for symbol, _ in lacking}
        hint = remedy(names, there.promise.system.name)
        _reject(UndefinedSymbol, f"{what} has undefined symbols", [why for _, why in lacking], hint)


def _refuse_newer(
    what: str, root: Path, facts: Mapping[str, Binary], promise: Promise
) -> list[str]:
    """Refuse instructions that the oldest CPU lacks; return notes about those that are chosen at run time."""
    found = newer_instructions(root, facts, promise)
    if found.refused and promise.cpu is not None:
        hint = _NEWER_CPU
        above = [one.name for one in cpus_of(promise.platform) if found.features <= one.features]
        if above:
            hint += f'; or set `cpu = "{above[0]}"` in [build], if all your users have such a CPU'
        needed = f"{what} needs a newer CPU than {promise.cpu.name}, and does not check for one"
        _reject(NewerCpuNeeded, needed, found.refused, hint)
    return list(found.chosen)


def _reject(error: type[MpforgeError], what: str, reasons: Iterable[str], hint: str) -> None:
    """Raise an error with the first few reasons, one a line; do nothing without a reason."""
    every = list(dict.fromkeys(reasons))
    more = [f"and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    if every:
        raise error(what, why="\n".join([*every[:_SHOWN], *more]), hint=hint)


def _loads_globally(module: Path) -> bool:
    """Return whether Python code loads modules or libraries with RTLD_GLOBAL."""
    if not module.is_file():
        return False
    text = module.read_bytes()
    return b"RTLD_GLOBAL" in text or b"setdlopenflags" in text


# --- reasons ----------------------------------------------------------------------------------


def serves(filename: str, python: str) -> bool:
    """Return whether a wheel installs on a Python (``cp311``, ``cp313t``), whatever its platform."""
    from packaging.utils import parse_wheel_filename

    taken = {(tag.interpreter, tag.abi) for tag in wheels.installable_tags(python, ["any"])}
    return any((tag.interpreter, tag.abi) in taken for tag in parse_wheel_filename(filename)[3])


def inspected(root: Path) -> tuple[dict[str, ElfFacts], list[str]]:
    """Return the facts of every compiled file below a directory, by name, and why some can't be read.

    Members of static libraries are named ``libx.a(member.o)``.
    """
    facts: dict[str, ElfFacts] = {}
    reasons = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        try:
            if elf.is_elf(path):
                facts[name] = elf.read(path)
            elif elf.is_static_library(path):
                members = elf.members(path)
                facts |= {f"{name}({member})": file for member, file in members}
        except ELFError as error:
            reasons.append(f"{name} is damaged: {error}")
    return facts, reasons


def examine_elf(root: Path, promise: Promise) -> tuple[Mapping[str, ElfFacts], list[str]]:
    """Examine as a ``BinaryFormat``. Libraries that are shipped with the files are allowed too."""
    facts, reasons = inspected(root)
    allowed = promise.system.libraries | set(promise.excluded)
    if is_musl(promise.policy):
        allowed |= {MUSL_ITSELF}
    return facts, [*reasons, *reasons_of(facts, promise, allowed)]


_FORMATS: Mapping[str, BinaryFormat] = {"linux": examine_elf}


def format_of(platform: Platform) -> BinaryFormat:
    """Return the format of a platform's compiled files. Raises ``KeyError`` if none is implemented."""
    return _FORMATS[platform.os]


def reasons_of(
    facts: Mapping[str, ElfFacts], promise: Promise, allowed: Iterable[str]
) -> Iterator[str]:
    """Yield reasons why ELF files can't run on the promised systems.

    ``allowed`` are available libraries, or globs of them.
    """
    shipped: dict[str, list[ElfFacts]] = {}
    for name, file in facts.items():
        for called in {PurePosixPath(name).name, file.soname or ""} - {""}:
            shipped.setdefault(called, []).append(file)
    known = tuple(allowed)
    platform, system, passing = promise.platform, promise.system, promise.passing
    for name, file in facts.items():
        about = [*machine_reasons(file, platform)]
        if file.linked:
            about += _version_reasons(file, system, shipped)
            if file.interpreter is not None and platform.loader not in (None, file.interpreter):
                about.append(f"uses the loader {file.interpreter}, not {platform.loader}")
        about += [
            f"needs {library}, which the policy does not allow and the wheel does not contain"
            for library in file.needed
            if library not in shipped and not any(fnmatchcase(library, one) for one in known)
        ]
        about += [
            f"has an rpath into the build directory ({place})"
            for place in file.rpaths
            if passing is not None and Path(place).is_relative_to(passing)
        ]
        yield from (f"{name}: {reason}" for reason in about)


def _version_reasons(
    file: ElfFacts, system: SystemPolicy, shipped: Mapping[str, list[ElfFacts]]
) -> Iterator[str]:
    """Yield a reason for each symbol version that the policy's systems lack, as auditwheel does."""
    yield from _glibc_reasons(file, system.name)
    for version in file.versions:
        if own := shipped.get(version.library):
            lacks = not any(version.name in other.defines for other in own)
            if lacks and not version.weak:
                yield f"needs {version.name}, which the shipped {version.library} does not define"
            continue
        prefix, _, number = version.name.partition("_")
        listed = system.versions.get(prefix)
        if listed is None or version.library not in system.libraries or is_glibc(version.name):
            continue
        if number not in listed:
            highest_of = max(listed, key=_as_numbers, default="none")
            yield f"needs {version.name} ({version.library}), {system.name} has {highest_of}"
    for library, names in system.forbidden.items():
        if library in file.needed and library not in shipped:
            for symbol in sorted(names & {one.name for one in file.undefined}):
                yield f"needs {symbol}, which {library} lacks on some systems of {system.name}"


def _glibc_reasons(file: ElfFacts, policy: str) -> Iterator[str]:
    highest = policy_version(policy)
    if is_musl(policy) and file.relr:  # musl's WHATSNEW for 1.2.4
        yield f"has packed relocations (DT_RELR), which musl reads since 1.2.4; {policy} has an older one"
    elif is_musl(policy) and file.glibc != (0, 0):
        yield f"is linked with glibc, the C library of {policy} is musl"
    elif not is_musl(policy) and file.glibc > highest:
        wanted = ".".join(map(str, file.glibc))
        why = ", by DT_RELR" if file.relr else ""
        yield f"needs GLIBC_{wanted}{why}, {policy} has {highest[0]}.{highest[1]}"


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if version[:1].isdigit() else ()


def machine_reasons(file: ElfFacts, platform: Platform) -> Iterator[str]:
    """Yield reasons why an ELF file is not for this platform."""
    expected = platform.elf_machine
    if file.machine != expected:
        yield f"is for {file.machine}, not {expected}"
    elif file.bits != platform.bits:
        yield f"is {file.bits}-bit, not {platform.bits}-bit"
    elif file.little != (platform.endian == "little"):
        yield f"has the wrong byte order for {platform.name}"
    elif file.linked and file.system not in _LINUX:
        yield f"is not for Linux (EI_OSABI is {file.system})"


def tag_reasons(filename: str, platform: Platform, policy: str, python: str) -> Iterator[str]:
    """Yield reasons why a wheel's tag is not the one that the session builds."""
    tags = wheels.wheel_name(filename)
    if not serves(filename, python):
        yield f"{filename} can't be installed on {python}"
    if tags.pure:
        return
    for tag in tags.platforms:
        base, _, machine = tag.partition("_" + platform.machine)
        if machine or not base or base == tag:
            yield f"the tag {tag} is not for {platform.machine}"
        elif base == "linux":
            prefix = "musllinux" if is_musl(policy) else "manylinux"
            yield f"the tag {tag} is not a {prefix} tag; no package index accepts it"
        elif is_musl(base) != is_musl(policy):
            yield f"the tag {tag} is for another C library than {policy}"
        elif policy_version(base) > policy_version(policy):
            yield f"the tag {tag} is above the policy {policy}"
