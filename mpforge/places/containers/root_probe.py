"""Probe how this host runs each platform's programs in a sandbox: natively, by which QEMU, or not.

mpforge's own handlers (binfmt_misc of a user namespace) need Linux 6.7; before, the kernel's are used, if
they hold their interpreter open (flag F). The answers are those of a container runtime's probe.
"""

import os
import tempfile
from pathlib import Path

from mpforge import processes
from mpforge.places.containers.runtime_probe import EXITS, NAMELESS, NATIVE, program
from mpforge.places.isolation import Isolation, isolation
from mpforge.platforms import Platform, by_machine

_SECONDS = 30.0
# elf(5): the ABI's number is any; the type is of a program, or of a shared object.
_MASK = bytes([*[0xFF] * 7, 0, *[0xFF] * 8])

LINUX32 = ("linux32", "", "")
"""The launcher's operation for a 32-bit machine's programs that run natively: uname(2) names that machine."""


def handler(platform: Platform) -> str:
    """Return the kernel's description of a platform's programs (binfmt_misc): offset, magic, mask."""
    head = program(platform)[:20]
    any_type = b"\xfe\xff" if platform.endian == "little" else b"\xff\xfe"
    mask = _MASK + any_type + b"\xff\xff"
    return ":".join(["0", *("".join(f"\\x{byte:02x}" for byte in text) for text in (head, mask))])


def emulator(path: Path, platform: Platform) -> tuple[str, ...]:
    """Return the launcher's arguments for an emulator, a static program."""
    return ("emulator", os.path.realpath(path), handler(platform))


def ask(platform: Platform, words: tuple[str, ...] = ()) -> str:
    """Return how this host runs a platform: ``native``, QEMU's version text, or empty if it can't.

    ``words`` are those of ``emulator``. Raises ``OSError``, ``TimeoutError``.
    """
    with tempfile.TemporaryDirectory(prefix="mpforge-probe-") as folder:
        _write(Path(folder, platform.name), platform)
        root = ("whole", os.path.realpath(folder), "")
        answer = _started(isolation().of_image, f"/{platform.name}", (*root, *words))
    if answer.returncode == EXITS:
        return NAMELESS if words else NATIVE
    return answer.stdout.partition("\n")[0].strip() if answer.returncode == 0 else ""


def can_emulate(platform: Platform, path: Path | None) -> bool:
    """Return whether the emulator at ``path`` runs a platform's programs in the sandbox of a step.

    None: any static program. Raises ``OSError``, ``TimeoutError``.
    """
    here = by_machine(os.uname().machine)
    if here is None or platform.machine == here.machine or not isolation().has_root:
        return False  # a handler for this machine's own programs would start the emulator by itself
    with tempfile.TemporaryDirectory(prefix="mpforge-probe-") as folder:
        _write(Path(folder, platform.name), platform)
        if path is None:
            _write(path := Path(folder, here.name), here)
        words = ("ro", os.path.realpath(folder), "/probe", *emulator(path, platform))
        answer = _started(isolation(), f"/probe/{platform.name}", words)
    return answer.returncode in (0, EXITS)


def _write(path: Path, platform: Platform) -> None:
    path.write_bytes(program(platform))
    path.chmod(0o755)


def _started(isolated: Isolation, path: str, operations: tuple[str, ...]) -> processes.Captured:
    """Start a program in a root of these operations, an emulator with the words for its version."""
    argv = isolated.launched([path], network=False, report=2, cwd="/", operations=operations)
    variables = {"QEMU_VERSION": "1"}
    return processes.capture(argv, environment=variables, timeout=_SECONDS, brief=True)
