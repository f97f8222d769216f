"""The kernel's handlers for programs of other machines: binfmt_misc, read only.

https://docs.kernel.org/admin-guide/binfmt-misc.html. Knows nothing of runtimes: one on this machine has the
same kernel, a remote one has not.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.store.stamps import stamp

ROOT = Path("/proc/sys/fs/binfmt_misc")
_KERNELS_OWN = ("register", "status")


@dataclass(frozen=True)
class Handler:
    """An interpreter for files with ``magic`` at ``offset``, compared in the bits of ``mask``."""

    name: str
    enabled: bool
    interpreter: str
    flags: str
    offset: int
    magic: bytes
    mask: bytes

    @property
    def is_fixed(self) -> bool:
        """Return whether the kernel holds the interpreter open (flag F): containers don't have its file."""
        return "F" in self.flags

    def takes(self, program: bytes) -> bool:
        """Return whether this interpreter runs a program that begins with these bytes."""
        head = program[self.offset : self.offset + len(self.magic)]
        return len(head) == len(self.magic) and all(
            (byte ^ wanted) & bits == 0
            for byte, wanted, bits in zip(head, self.magic, self.mask, strict=True)
        )


@dataclass(frozen=True)
class Handlers:
    """The kernel's handlers; ``enabled`` None: binfmt_misc is not mounted."""

    enabled: bool | None
    each: tuple[Handler, ...] = ()

    def of(self, program: bytes) -> Handler | None:
        """Return the handler of a program, preferring one that works in containers, or None."""
        found = [handler for handler in self.each if handler.takes(program)]
        return max(found, key=lambda one: (one.enabled, one.is_fixed), default=None)


def read(root: Path = ROOT) -> Handlers:
    """Return the kernel's handlers; those without magic bytes are skipped."""
    try:
        enabled = (root / "status").read_text(encoding="utf-8").strip() == "enabled"
    except OSError:
        return Handlers(None)
    found = (parse(path.name, _text(path)) for path in _files(root))
    return Handlers(enabled, tuple(handler for handler in found if handler is not None))


def parse(name: str, text: str) -> Handler | None:
    """Parse a handler as the kernel shows it; None if it matches by file extension."""
    lines = text.splitlines()
    words = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in lines)}
    try:
        magic = bytes.fromhex(words["magic"])
        mask = bytes.fromhex(words["mask"]) if "mask" in words else b"\xff" * len(magic)
        return Handler(
            name=name,
            enabled="enabled" in lines,
            interpreter=words["interpreter"],
            flags=words.get("flags", ""),
            offset=int(words["offset"]),
            magic=magic,
            mask=mask,
        )
    except (KeyError, ValueError):
        return None


def identity(root: Path = ROOT) -> Iterator[str]:
    """Yield texts that change with the handlers and the files of their interpreters.

    A handler that is registered again is another file, perhaps with the same text: so after a QEMU update.
    """
    with contextlib.suppress(OSError):
        yield (root / "status").read_text(encoding="utf-8").strip()
    for path in _files(root):
        text = _text(path)
        handler = parse(path.name, text)
        yield f"{path.name} {stamp(str(path))} {' '.join(text.split())}"
        if handler is not None:
            yield f"{handler.interpreter} {stamp(handler.interpreter)}"


def _files(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.name not in _KERNELS_OWN)
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
