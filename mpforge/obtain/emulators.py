"""QEMU's user-mode emulators: the host's own, or unpacked from its distribution without root.

An emulator is one static executable, identified by its bytes; the CPU model it shows to programs
is chosen by the caller, with a baseline here that is never ``max``: a wheel that needs more than the
oldest CPU of its architecture must not pass its tests by luck (docs/architecture.md, "Tests under
emulation"). This module does not know which programs run under an emulator.
"""

import contextlib
import difflib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import NoEmulator, UnknownCpu
from mpforge.obtain.distro import apt
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import Platform, by_machine
from mpforge.store.files import hash_file
from mpforge.store.tool_store import ToolStore

# Up to these suites the static programs are in qemu-user-static, later in qemu-user.
_STATIC_SUITES = {
    "debian": ("buster", "bullseye", "bookworm"),
    "ubuntu": ("focal", "jammy", "noble", "oracular"),
}
# Suites with a QEMU that works for every platform (10.0); those above have older ones.
_NEW_SUITES = {"debian": "trixie", "ubuntu": "questing"}


LOADER = "ld-"
"""How the names of loaders begin."""


@dataclass(frozen=True)
class Emulator:
    """An emulator, or a loader in its place.

    ``path`` is the executable, ``digest`` the sha256 of its bytes; ``version`` and ``origin`` are for people.
    """

    path: Path
    version: str
    digest: str
    origin: str

    @property
    def is_loader(self) -> bool:
        """True for the target's own loader, on a host whose processors run its programs."""
        return self.path.name.startswith(LOADER)


def own_loader(platform: Platform, sysroot: Path) -> Emulator:
    """Return the loader in a root of the target's libraries, for programs that this host's CPU runs."""
    loader = sysroot / str(platform.loader).lstrip("/")
    return Emulator(loader, "", "", "the target's loader")


def host_emulator(platform: Platform, *, static: bool = False) -> Emulator | None:
    """Return the emulator on PATH for the platform's programs, or None if none works or is new enough.

    ``static``: one that needs no libraries.
    """
    usable = (e for e in _on_path(platform, static=static) if not needs_newer(platform, e.version))
    return next(usable, None)


def _on_path(platform: Platform, *, static: bool = False) -> Iterator[Emulator]:
    """Yield the emulators on PATH for the platform that start."""
    for name in program_names(platform):
        found = shutil.which(name)
        if found is not None:
            path = Path(found).resolve()
            if static and not _is_static(path):
                continue
            with contextlib.suppress(NoEmulator):
                yield Emulator(
                    path, _version(path), hash_file(path).digest, f"{found} of this host"
                )


def distro_request(platform: Platform, host: tuple[str, str] | None = None) -> DistroRequest | None:
    """Return the request for the package with a platform's emulator, or ``None`` without a known apt.

    It is of a newer suite where the platform needs a newer QEMU than the host's has. ``host`` replaces
    ``apt.host_distribution()``.
    """
    host = host or apt.host_distribution()
    if host is None:
        return None
    name, suite = host
    if platform.qemu_since and has_static_package(name, suite):
        suite = _NEW_SUITES[name]
    machine = by_machine(os.uname().machine)
    if machine is None or machine.debian_arch is None:
        return None
    package = "qemu-user-static" if has_static_package(name, suite) else "qemu-user"
    return DistroRequest(name, suite, machine.debian_arch, (package,))


def has_static_package(name: str, suite: str) -> bool:
    """Return whether a distribution has a separate package of static programs, with the handlers."""
    return suite in _STATIC_SUITES.get(name, ())


def needs_newer(platform: Platform, version: str) -> int | None:
    """Return the major version of QEMU that the platform needs if this one is too old, else None."""
    needed = platform.qemu_since
    major = version.partition(".")[0]
    return needed if major.isdigit() and int(major) < needed else None


def provide(platform: Platform, pin: DistroPin, store: ToolStore, state: Path) -> Emulator:
    """Return the platform's emulator from the pinned package, stored in the tool store.

    Raises ``NoEmulator`` if the package has none for it, and the errors of ``apt.fetch``.
    """
    names = program_names(platform)
    package = pin.packages[0]
    program = (platform.qemu or "qemu").removesuffix("-static")

    def make(tree: Path) -> None:
        unpacked = tree / "unpacked"
        apt.fetch(pin, state=state, dest=unpacked)
        found = [path for name in names if (path := unpacked / "usr" / "bin" / name).is_file()]
        if not found:
            raise no_emulator(platform, why=f"the package {package.name} has no {program}")
        found[0].rename(tree / program)
        shutil.rmtree(unpacked)
        (tree / "sha256").write_text(hash_file(tree / program).digest, encoding="ascii")

    tool = store.obtain(
        name=program,
        version=package.version,
        digest=apt.digest_of(pin, program),
        make=make,
    )
    digest = (tool.path / "sha256").read_text(encoding="ascii")
    origin = f"{package.name} {package.version} of {pin.request.distribution} {pin.request.suite}"
    upstream = re.split(r"[+~-]", package.version.split(":", 1)[-1])[0]  # of 1:7.2+dfsg-7: 7.2
    if needs_newer(platform, upstream):
        raise no_emulator(platform, why=f"{origin} is too old")
    return Emulator(tool.path / program, upstream, digest, origin)


def no_emulator(platform: Platform, why: str | None = None) -> NoEmulator:
    """Return the error for a host that can't run the platform's programs."""
    what = f"programs for {platform.name} can't be run on this host"
    if platform.qemu is None:
        return NoEmulator(
            what,
            why=why or "QEMU has no user-mode emulator for it",
            hint=f'set test.strategy = "skip" for {platform.name}, or test on such a machine',
        )
    hint = f"install qemu-user-static (Debian, Ubuntu) or put {platform.qemu} on PATH"
    if platform.qemu_since:
        old = [f"{emulator.path} is QEMU {emulator.version}" for emulator in _on_path(platform)]
        why = why or "; ".join(old) or None
        hint = f"put {platform.qemu} of QEMU {platform.qemu_since} or newer on PATH"
        hint += "; Debian 13 and Ubuntu 25.10 have it in the package qemu-user"
    return NoEmulator(what, why=why, hint=hint)


def cpu_models(emulator: Emulator) -> tuple[str, ...]:
    """Return the emulator's names of CPU models. Raises ``NoEmulator`` if it does not run."""
    return parse_models(_ask(emulator.path, "-cpu", "help"))


def require_model(emulator: Emulator, cpu: str | None) -> None:
    """Raise ``UnknownCpu``, with similar names, if the emulator has no such CPU model."""
    if cpu is None:
        return
    models = cpu_models(emulator)
    if cpu not in models:
        near = near_models(cpu, models)
        command = f"{emulator.path.name} -cpu help"
        raise UnknownCpu(
            f"{cpu} (test.cpus) is not a CPU model of {emulator.path.name} {emulator.version}",
            hint=f"did you mean {', '.join(near)}? " * bool(near)
            + f"run `{command}` to list all of them",
        )


def near_models(cpu: str, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return at most five models whose names are most similar to an unknown one, best match first."""
    named = {model.lower(): model for model in models}
    near = difflib.get_close_matches(cpu.lower(), named, n=5, cutoff=0.6)
    return tuple(named[word] for word in near)


def parse_models(text: str) -> tuple[str, ...]:
    """Return the model names in the output of ``qemu -cpu help``, in its order."""
    models = []
    for line in text.splitlines():
        if line.startswith("Recognized"):
            break
        words = line.split()
        if len(words) > 1 and words[0] in {"x86", "s390", "PowerPC"}:
            words = words[1:]
        if words and not line.startswith("Available"):
            models.append(words[0].removesuffix(";"))
    return tuple(dict.fromkeys(models))


def program_names(platform: Platform) -> tuple[str, ...]:
    """Return the names of the platform's emulator, the static one first."""
    if platform.qemu is None:
        return ()
    program = platform.qemu.removesuffix("-static")
    return f"{program}-static", program


def _is_static(path: Path) -> bool:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as file:
            return not any(part["p_type"] == "PT_INTERP" for part in ELFFile(file).iter_segments())
    except (OSError, ELFError):
        return False


def _version(path: Path) -> str:
    match = re.search(r"version (\S+)", _ask(path, "--version"))
    return match.group(1) if match else "unknown"


def _ask(path: Path, *words: str) -> str:
    try:
        answer = processes.capture([str(path), *words], timeout=30)
    except (OSError, TimeoutError) as error:
        raise NoEmulator(f"{path.name} does not run", why=str(error)) from error
    # `-cpu help` exits with 1 in QEMU 7.2, so the output counts, not the status.
    if not answer.stdout.strip():
        raise NoEmulator(f"{path.name} does not run", why=answer.stderr.strip() or None)
    return answer.stdout
