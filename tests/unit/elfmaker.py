"""Small ELF files made of what a loader reads: program headers, a dynamic table, symbols, versions."""

import struct
from collections.abc import Sequence

AARCH64, X86_64, ARM, S390 = 183, 62, 40, 22
LIBRARY, PROGRAM, OBJECT = 3, 2, 1


def header(machine: int, kind: int = LIBRARY) -> bytes:
    """The smallest ELF file: a header, no sections (gABI, chapter 4)."""
    identification = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    return identification + struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0
    )


class Elf:
    """A shared object; ``undefined`` and ``versions`` are `symbol` and `symbol@VERSION@library`."""

    def __init__(
        self,
        *,
        machine: int = AARCH64,
        bits: int = 64,
        little: bool = True,
        kind: int = LIBRARY,
        system: int = 0,
        needed: Sequence[str] = (),
        soname: str = "",
        rpath: str = "",
        undefined: Sequence[str] = (),
        weak: Sequence[str] = (),
        exported: Sequence[str] = (),
        defines: Sequence[str] = (),
        interpreter: str = "",
        relr: bool = False,
        gnu_hash: bool = True,
    ) -> None:
        self._wide, self._end = bits == 64, "<" if little else ">"
        self._word = "Q" if self._wide else "I"
        self._strings = bytearray(b"\0")
        self._undefined = [*undefined, *weak]
        wanted = [symbol.partition("@") for symbol in self._undefined]
        self.versions = sorted({version for _, at, version in wanted if at})
        self._symbols = [
            *(
                (name, 1 if index < len(undefined) else 2, 0)
                for index, (name, _, _) in enumerate(wanted)
            ),
            *((name, 1, 1) for name in exported),
        ]
        tables: list[tuple[int, bytes]] = [
            (6, self._symbol_table()),
            (7, self._relocations()),
            (0x6FFFFFF0, self._version_indexes(wanted)),
        ]
        if self.versions:
            tables.append((0x6FFFFFFE, self._needed_versions()))
        if defines:
            tables.append((0x6FFFFFFC, self._defined_versions(defines)))
        first = 1 + len(wanted)
        tables.append((0x6FFFFEF5, self._gnu_hash(first)) if gnu_hash else (4, self._sysv_hash()))
        words = [(1, self._string(name)) for name in needed]
        words += [(tag, self._string(text)) for tag, text in ((14, soname), (29, rpath)) if text]
        words += [(8, len(tables[1][1])), (36, 0)][: 2 if relr else 1]
        tables.append((5, b""))  # the strings, once all are known
        count = 3 + bool(interpreter)
        start = (64 if self._wide else 52) + count * (56 if self._wide else 32)
        body = bytearray()
        self.places: dict[
            int, int
        ] = {}  # of the tables in the file, by their tags; 0: the dynamic table
        for tag, content in tables:
            body += bytes(-(start + len(body)) % 8)
            self.places[tag] = start + len(body)
            body += bytes(self._strings) if tag == 5 else content
        path = interpreter.encode() + b"\0" if interpreter else b""
        path_at = start + len(body)
        body += path + bytes(-(start + len(body) + len(path)) % 8)
        dynamic_at = start + len(body)
        words += [*self.places.items(), (10, len(self._strings)), (0, 0)]
        dynamic = b"".join(self._pack(2 * self._word, *pair) for pair in words)
        self.places[0] = dynamic_at
        whole = dynamic_at + len(dynamic)
        headers = [(1, 0, whole), (2, dynamic_at, len(dynamic)), (0x6474E551, 0, 0)]
        headers += [(3, path_at, len(path))] if path else []
        ident = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1, system]) + bytes(8)
        size = 64 if self._wide else 52
        form = "HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH"
        each = 56 if self._wide else 32
        self.data = (
            ident
            + self._pack(form, kind, machine, 1, 0, size, 0, 0, size, each, len(headers), 0, 0, 0)
            + b"".join(self._program_header(*one) for one in headers)
            + bytes(body)
            + dynamic
        )

    def _pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self._end + form, *values)

    def _program_header(self, kind: int, offset: int, size: int) -> bytes:
        if self._wide:
            return self._pack("IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8)
        return self._pack("IIIIIIII", kind, offset, offset, offset, size, size, 4, 8)

    def _string(self, text: str) -> int:
        at = len(self._strings)
        self._strings += text.encode() + b"\0"
        return at

    def _symbol_table(self) -> bytes:
        rows = [
            (0, 0, 0),
            *((self._string(n), bind << 4 | 2, here) for n, bind, here in self._symbols),
        ]
        if self._wide:
            return b"".join(self._pack("IBBHQQ", n, info, 0, at, 0, 0) for n, info, at in rows)
        return b"".join(self._pack("IIIBBH", n, 0, 0, info, 0, at) for n, info, at in rows)

    def _relocations(self) -> bytes:
        shift = 32 if self._wide else 8
        indexes = range(1, 1 + len(self._undefined))
        return b"".join(self._pack(3 * self._word, 0, index << shift | 1, 0) for index in indexes)

    def _version_indexes(self, wanted: Sequence[tuple[str, str, str]]) -> bytes:
        indexes = [2 + self.versions.index(version) if at else 1 for _, at, version in wanted]
        return b"".join(self._pack("H", i) for i in [0, *indexes, *(1 for _ in self._symbols)])

    def _needed_versions(self) -> bytes:
        """One record of the version table for each, which is allowed."""
        rows = []
        for index, version in enumerate(self.versions):
            name, _, library = version.partition("@")
            last = index == len(self.versions) - 1
            rows.append(self._pack("HHIII", 1, 1, self._string(library), 16, 0 if last else 32))
            rows.append(self._pack("IHHII", 0, 0, 2 + index, self._string(name), 0))
        return b"".join(rows)

    def _defined_versions(self, names: Sequence[str]) -> bytes:
        rows = []
        for index, name in enumerate(names):
            last = index == len(names) - 1
            rows.append(self._pack("HHHHIII", 1, 0, 2 + index, 1, 0, 20, 0 if last else 28))
            rows.append(self._pack("II", self._string(name), 0))
        return b"".join(rows)

    def _gnu_hash(self, first: int) -> bytes:
        """One bucket, and a chain of all that is exported."""
        found = len(self._symbols) + 1 - first
        chain = [self._pack("I", 0 if i < found - 1 else 1) for i in range(found)]
        head = self._pack("IIII", 1, first, 1, 0) + self._pack(self._word, 0)
        return head + self._pack("I", first if found else 0) + b"".join(chain)

    def _sysv_hash(self) -> bytes:
        count = len(self._symbols) + 1
        return self._pack("III", 1, count, 0) + self._pack("I", 0) * count
