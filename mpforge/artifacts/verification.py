"""Check build results against their promises: machine, glibc, libraries, tag.

An exit code proves nothing; this reads the result (docs/proofs.md). Each check yields reasons in words, an
empty list is a pass. Knows nothing of how it was built.
"""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from elftools.common.exceptions import ELFError

from mpforge.artifacts import elf, static_library
from mpforge.artifacts.binary_format import BinaryFormat
from mpforge.artifacts.elf import ElfFacts, is_glibc
from mpforge.artifacts.wheels import installable_tags, wheel_name
from mpforge.platforms import Platform, policy_version
from mpforge.platforms.policies import SystemPolicy, system_policy

_LINUX = (0, 3, 64, 97)  # EI_OSABI: none, GNU, and ARM's two, which glibc's loader takes


def serves(filename: str, python: str) -> bool:
    """Return whether a wheel installs on a Python (``cp311``, ``cp313t``), whatever its platform."""
    from packaging.utils import parse_wheel_filename

    taken = {(tag.interpreter, tag.abi) for tag in installable_tags(python, ["any"])}
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
            elif static_library.is_one(path):
                members = static_library.members(path)
                facts |= {f"{name}({member})": file for member, file in members}
        except ELFError as error:
            reasons.append(f"{name} is damaged: {error}")
    return facts, reasons


def examine_elf(
    root: Path, platform: Platform, policy: str, allowed: Iterable[str], passing: Path | None
) -> tuple[Mapping[str, ElfFacts], list[str]]:
    """Examine as a ``BinaryFormat``. Libraries that are shipped beside the files are allowed too."""
    facts, reasons = inspected(root)
    return facts, [*reasons, *reasons_of(facts, platform, policy, allowed, passing)]


_FORMATS: Mapping[str, BinaryFormat] = {"linux": examine_elf}


def format_of(platform: Platform) -> BinaryFormat:
    """Return the format of a platform's compiled files. Raises ``KeyError`` if none is implemented."""
    return _FORMATS[platform.os]


def reasons_of(
    facts: Mapping[str, ElfFacts],
    platform: Platform,
    policy: str,
    allowed: Iterable[str],
    passing: Path | None = None,
) -> Iterator[str]:
    """Yield reasons why ELF files can't run on the policy's systems; see ``BinaryFormat``."""
    shipped: dict[str, list[ElfFacts]] = {}
    for name, file in facts.items():
        for called in {PurePosixPath(name).name, file.soname or ""} - {""}:
            shipped.setdefault(called, []).append(file)
    known = tuple(allowed)
    system = system_policy(policy, platform)
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
    highest = policy_version(system.name)
    if file.glibc > highest:
        wanted = ".".join(map(str, file.glibc))
        why = ", by DT_RELR" if file.relr else ""
        yield f"needs GLIBC_{wanted}{why}, {system.name} has {highest[0]}.{highest[1]}"
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
    tags = wheel_name(filename)
    if not serves(filename, python):
        yield f"{filename} can't be installed on {python}"
    if tags.pure:
        return
    for tag in tags.platforms:
        base, _, machine = tag.partition("_" + platform.machine)
        if machine or not base or base == tag:
            yield f"the tag {tag} is not for {platform.machine}"
        elif base == "linux":
            yield f"the tag {tag} is not a manylinux tag; no package index accepts it"
        elif base.startswith("musl") != policy.startswith("musl"):
            yield f"the tag {tag} is for another C library than {policy}"
        elif policy_version(base) > policy_version(policy):
            yield f"the tag {tag} is above the policy {policy}"
