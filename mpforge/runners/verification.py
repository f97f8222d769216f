"""What was built against what it promises: machine, glibc, libraries, tag.

An exit code proves nothing; this reads the result (docs/design.md). Each check gives reasons in words, an
empty list is a pass. Knows nothing of how it was built.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.platforms import ELF_MACHINES, Platform, policy_version
from mpforge.runners import elf


@dataclass(frozen=True)
class WheelName:
    """A wheel's file name taken apart (PEP 427), each tag set sorted."""

    name: str
    version: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def pure(self) -> bool:
        """Whether it claims to run anywhere."""
        return self.platforms == ("any",)


def wheel_name(filename: str) -> WheelName:
    """Take a file name apart. Raises ``packaging.utils.InvalidWheelFilename``."""
    from packaging.utils import parse_wheel_filename

    name, version, _, tags = parse_wheel_filename(filename)
    return WheelName(
        str(name),
        str(version),
        tuple(sorted({tag.interpreter for tag in tags})),
        tuple(sorted({tag.abi for tag in tags})),
        tuple(sorted({tag.platform for tag in tags})),
    )


def serves(filename: str, python: str) -> bool:
    """Whether a wheel installs on CPython ``python`` (``cp311``): by its own, abi3 or pure tags.

    A free-threaded one (``cp313t``) is told by the ABI tag, and takes no abi3 wheel (PEP 703).
    """
    tags = wheel_name(filename)
    threaded, own = python.endswith("t"), python.removesuffix("t")
    abis = {abi.removesuffix("m") for abi in tags.abis}
    if not abis & ({python, "none"} if threaded else {python, "none", "abi3"}):
        return False
    for interpreter in tags.pythons:
        if interpreter in (own, "py3"):
            return True
        # An older one will do for the limited API, and where no interpreter's ABI is used.
        kind, older = interpreter[:3], interpreter[3:]
        lasts = (kind == "cp3" and "abi3" in abis) or (kind == "py3" and "none" in abis)
        if lasts and older.isdigit() and int(older) <= int(own.removeprefix("cp3")):
            return True
    return False


def elf_reasons(
    root: Path,
    platform: Platform,
    policy: str,
    allowed: Iterable[str],
    passing: Path | None = None,
) -> Iterator[str]:
    """Why the compiled files below ``root`` can't run where the policy says they do.

    ``allowed`` are the libraries that the policy finds on every system; libraries that are shipped
    beside the files are allowed too. ``passing`` is the directory of the build, which nobody else has.
    """
    facts = {path: elf.read(path) for path in elf.elf_files(root)}
    shipped = {path.name for path in facts} | {f.soname for f in facts.values() if f.soname}
    known = {*allowed, *shipped}
    highest = policy_version(policy)
    for path, file in facts.items():
        name = path.relative_to(root)
        yield from (f"{name}: {reason}" for reason in machine_reasons(file, platform))
        if file.glibc > highest:
            wanted = ".".join(map(str, file.glibc))
            yield f"{name}: needs GLIBC_{wanted}, {policy} has {highest[0]}.{highest[1]}"
        for library in file.needed:
            if library not in known:
                yield f"{name}: needs {library}, which neither the policy nor the result has"
        for place in file.rpaths:
            if passing is not None and Path(place).is_relative_to(passing):
                yield f"{name}: looks for libraries where it was built (rpath {place})"


def machine_reasons(file: elf.ElfFacts, platform: Platform) -> Iterator[str]:
    """Why an ELF file is not of this platform."""
    expected = ELF_MACHINES[platform.machine]
    if file.machine != expected:
        yield f"is for {file.machine}, not {expected}"
    elif file.bits != platform.bits:
        yield f"is of {file.bits} bits, not {platform.bits}"
    elif file.little != (platform.endian == "little"):
        yield f"has the wrong byte order for {platform.name}"


def tag_reasons(filename: str, platform: Platform, policy: str, python: str) -> Iterator[str]:
    """Why a wheel's name promises another thing than the session makes."""
    tags = wheel_name(filename)
    if not serves(filename, python):
        yield f"{filename} does not install on {python}"
    if tags.pure:
        return
    for tag in tags.platforms:
        base, _, machine = tag.partition("_" + platform.machine)
        if machine or not base or base == tag:
            yield f"the tag {tag} is not for {platform.machine}"
        elif base == "linux":
            yield f"the tag {tag} is no manylinux tag; no index takes it"
        elif base.startswith("musl") != policy.startswith("musl"):
            yield f"the tag {tag} is for another C library than {policy}"
        elif policy_version(base) > policy_version(policy):
            yield f"the tag {tag} is above the policy {policy}"


def policy_libraries(policy: str, platform: Platform) -> frozenset[str]:
    """The libraries that every system of a policy has, by auditwheel's own table."""
    from auditwheel.architecture import Architecture
    from auditwheel.libc import Libc
    from auditwheel.policy import WheelPolicies

    policies = WheelPolicies(libc=Libc.GLIBC, arch=Architecture(platform.machine))
    named = [p for p in policies if p.name == f"{policy}_{platform.machine}"]
    allowed: frozenset[str] = named[0].whitelist if named else frozenset()
    return allowed | {"ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2"}
