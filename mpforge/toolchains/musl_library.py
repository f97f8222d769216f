"""Replace the musl that zig links against by the oldest one that a policy promises.

zig links against a stub of its own musl, named ``libc.so``. On musl systems the library's name is another
one (PEP 656's policies list that), and an older musl lacks some symbols: a build that asks the linker for
``preadv2`` must not find it. musl has no symbol versions, so only the stub can show this.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.platforms import MUSL, Platform
from mpforge.platforms.policies import oldest_libc_symbols, system_policy

_STUBS = "o/*/libc.so"  # in zig's global cache; which calls they serve is in its manifests
Zig = Callable[..., None]
"""Runs zig with arguments; raises ``ToolUnavailable`` if it fails."""

_KINDS = {"STT_FUNC": "function", "STT_OBJECT": "object"}


@dataclass(frozen=True)
class MuslLibrary:
    """The musl to link against: ``name`` is what files need it by, ``policy`` says which symbols it has."""

    name: str
    policy: str

    def facts(self) -> tuple[str, ...]:
        """Return everything that determines the stub, except zig itself."""
        return self.name, *sorted(oldest_libc_symbols(self.policy))


def musl_library(platform: Platform, policy: str) -> MuslLibrary | None:
    """Return the musl of a policy on a platform; None for another C library."""
    if platform.libc is not MUSL:
        return None
    name = system_policy(policy, platform).musl
    return None if name is None else MuslLibrary(name, policy)


def replace_stubs(library: MuslLibrary, cache: Path, work: Path, zig: Zig) -> None:
    """Replace the stubs of musl in a cache of zig. ``work`` is a directory for temporary files.

    ``zig`` runs zig: ``cc`` with the target's flags. Raises ``ToolUnavailable`` if there is no stub.
    """
    stubs = sorted(cache.glob(_STUBS))
    if not stubs:
        raise ToolUnavailable("zig's cache has no libc.so to link with musl by")
    source, compiled, linked = (work / f"musl.{suffix}" for suffix in ("s", "o", "so"))
    for stub in stubs:
        source.write_text("".join(_assembly(library, stub)), encoding="ascii")
        zig("cc", "-c", str(source), "-o", str(compiled))
        zig("ld.lld", "-shared", "-soname", library.name, "-o", str(linked), str(compiled))
        shutil.copyfile(linked, stub)


def _assembly(library: MuslLibrary, stub: Path) -> Iterator[str]:
    """Yield the assembly of a stub's symbols, without those that the policy's oldest musl lacks."""
    known = oldest_libc_symbols(library.policy)
    for name, kind, binding, size in _symbols(stub):
        if name not in known:
            continue
        section = "bss\n.balign 16" if kind == "object" else "text"
        yield f".{section}\n.{binding} {name}\n.type {name}, %{kind}\n.size {name}, {size}\n{name}:\n"
        if kind == "object" and size:
            yield f".space {size}\n"


def _symbols(stub: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield name, kind, binding and size of each symbol that a library defines."""
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    with stub.open("rb") as file:
        segments = [s for s in ELFFile(file).iter_segments() if isinstance(s, DynamicSegment)]
        for symbol in (symbol for segment in segments for symbol in segment.iter_symbols()):
            if symbol.name and symbol.entry.st_shndx != "SHN_UNDEF":
                kind = _KINDS.get(symbol.entry.st_info.type, "notype")
                binding = "weak" if symbol.entry.st_info.bind == "STB_WEAK" else "globl"
                yield symbol.name, kind, binding, symbol.entry.st_size
