"""Probe how this host runs each platform's programs in a sandbox: natively, by which QEMU, or not.

mpforge's own handlers (binfmt_misc of a user namespace) need Linux 6.7; before, the kernel's are used, if
they hold their interpreter open (flag F). The answers are those of a container runtime's probe.
"""

import os
import tempfile
from pathlib import Path

from mpforge import processes
from mpforge.places.containers.runtime_probe import EXITS, NAMELESS, NATIVE, program
from mpforge.places.isolation import isolation
from mpforge.platforms import Platform

_SECONDS = 30.0
# elf(5): the ABI's number is any; the type is of a program, or of a shared object.
_MASK = bytes([*[0xFF] * 7, 0, *[0xFF] * 8])


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
        path = Path(folder, platform.name)
        path.write_bytes(program(platform))
        path.chmod(0o755)
        argv = isolation().of_image.launched(
            [f"/{path.name}"],
            network=False,
            report=2,
            cwd="/",
            operations=("whole", os.path.realpath(folder), "", *words),
        )
        variables = {"QEMU_VERSION": "1"}
        answer = processes.capture(argv, environment=variables, timeout=_SECONDS, brief=True)
    if answer.returncode == EXITS:
        return NAMELESS if words else NATIVE
    return answer.stdout.partition("\n")[0].strip() if answer.returncode == 0 else ""
