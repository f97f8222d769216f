"""Write the tables of mpforge/platforms/symbol-names: the symbols that CPython and C libraries export.

    python scripts/make_symbols.py cpython LIBPYTHON… [HEADERS…]
    python scripts/make_symbols.py glibc ABILISTS
    python scripts/make_symbols.py musl VERSION=LIBRARY…
    python scripts/make_symbols.py stable-abi

LIBPYTHON are shared libraries of CPython, of one or more patch releases for each minor version, as
`libpython3.13.so.1.0`. HEADERS are their directories of headers, as `include/python3.13`: what is declared
there for Py_GIL_DISABLED is added to the names of the free-threaded version, which few distributions have.
ABILISTS is the file of zig (lib/libc/glibc/abilists), from the abilists of glibc's own sources. LIBRARY are
libc.so of musl's releases, VERSION the first that has what is in none before: those of the first release of
a series (1.2) on several machines, then one for each later release (1.2.1), made from musl's sources by its
own configure with --disable-static and `make lib/libc.so`. The stable ABI is that of the package
abi3info, which is made from CPython's Misc/stable_abi.toml.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mpforge.artifacts import elf

OUTPUT = Path(__file__).parent.parent / "mpforge" / "platforms" / "symbol-names"
ZIG_TARGETS = (
    *("x86_64-linux-gnu", "aarch64-linux-gnu", "x86-linux-gnu", "arm-linux-gnueabihf"),
    *("powerpc64le-linux-gnu", "s390x-linux-gnu"),  # riscv64's and loongarch64's begin later
)


def main() -> None:
    """Write the file of the kind that the first argument names."""
    kind, *paths = sys.argv[1:]
    OUTPUT.mkdir(exist_ok=True)
    if kind == "cpython":
        lines = cpython(map(Path, paths))
    elif kind == "musl":
        lines = musl(paths)
    else:
        lines = glibc(Path(paths[0]).read_bytes()) if kind == "glibc" else stable_abi()
    text = "".join(f"{line}\n" for line in lines)
    (OUTPUT / f"{kind}.txt").write_text(text, encoding="ascii")


_OF_PYTHON = re.compile(r"_{0,2}Py(?!Init_)")


# --- CPython --------------------------------------------------------------------------------------


def cpython(paths: Iterable[Path]) -> list[str]:
    """A line for each set of versions, with the names that these and no others export."""
    names: dict[str, set[str]] = {}
    declared: dict[str, set[str]] = {}
    for path in paths:
        version = re.search(r"python3\.(\d+)", path.name)
        if version is None:
            sys.exit(f"which Python is {path} of?")
        if path.is_dir():
            declared[f"{version[1]}t"] = free_threaded(path)
        else:
            exported = set(filter(_OF_PYTHON.match, elf.read(path).exported))
            names.setdefault(version[1], set()).update(exported)
    for threaded, more in declared.items():
        names[threaded] = names[threaded.rstrip("t")] | more
    order = sorted(names, key=lambda word: (word.endswith("t"), int(word.rstrip("t"))))
    groups: dict[str, list[str]] = {}
    for name in sorted(set().union(*names.values())):
        groups.setdefault(",".join(v for v in order if name in names[v]), []).append(name)
    return [",".join(order), *(f"{v}: {' '.join(group)}" for v, group in sorted(groups.items()))]


def free_threaded(headers: Path) -> set[str]:
    """The names that the headers declare as exported where there is no GIL."""
    found: set[str] = set()
    sources = ["Python.h", *(f"internal/{p.name}" for p in sorted(headers.glob("internal/*.h")))]
    for source in sources:
        ended = subprocess.run(
            [  # a header that is for no compiler fails
                *("gcc", "-E", "-P", "-w", "-DPy_GIL_DISABLED=1", "-DPy_BUILD_CORE"),
                *(f"-I{headers}", f"-I{headers.parent}", f"-I{headers}/internal"),
                *(f"-I{headers.parent}/x86_64-linux-gnu/{headers.name}", "-include", "Python.h"),
                *("-x", "c", "-"),
            ],
            input=f'#include "{source}"\n',
            capture_output=True,
            text=True,
            check=False,
        )
        exported = r'visibility *\("default"\)[^;{]*?\b(_{0,2}Py\w+)\s*(?:\(|;|\[)'
        found.update(filter(_OF_PYTHON.match, re.findall(exported, ended.stdout)))
    return found


# --- glibc ----------------------------------------------------------------------------------------


class Abilists:
    """zig's file of what glibc's libraries have; the format is that of its src/libs/glibc.zig."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        for _ in range(self._number()):
            self._text()  # the libraries
        self._versions = [
            (self._number(), self._number(), self._number()) for _ in range(self._number())
        ]
        targets = [self._text() for _ in range(self._number())]
        self._wanted = [targets.index(name) for name in ZIG_TARGETS]
        self.since: dict[str, dict[int, tuple[int, int, int]]] = {}
        for of_objects in (False, True):
            self._inclusions(of_objects)

    def _number(self, size: int = 1) -> int:
        self._at += size
        return int.from_bytes(self._data[self._at - size : self._at], "little")

    def _text(self) -> str:
        end = self._data.index(b"\0", self._at)
        found, self._at = self._data[self._at : end].decode("ascii"), end + 1
        return found

    def _leb128(self) -> int:
        value = shift = 0
        while True:
            byte = self._number()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def _inclusions(self, of_objects: bool) -> None:  # noqa: FBT001
        name, ended = "", True
        for _ in range(self._number(2)):
            name = self._text() if ended else name
            targets = self._leb128()
            if of_objects:
                self._leb128()  # the size
            ended = bool(self._number() & 0x80)  # of which library, and whether it is the last
            indexes = [self._number()]
            while not indexes[-1] & 0x80:
                indexes.append(self._number())
            oldest = min(self._versions[index & 0x7F] for index in indexes)
            for place in self._wanted:
                if targets >> place & 1:
                    here = self.since.setdefault(name, {})
                    here[place] = min(here.get(place, oldest), oldest)


def glibc(data: bytes) -> list[str]:
    """A line for each version, with the names that the libraries have since then, on all machines."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name, since in sorted(Abilists(data).since.items()):
        major, minor, _ = max(since.values())
        groups.setdefault(max((major, minor), (2, 17)), []).append(name)
    return [f"{a}.{b}: {' '.join(names)}" for (a, b), names in sorted(groups.items())]


# --- musl -----------------------------------------------------------------------------------------


def musl(releases: Iterable[str]) -> list[str]:
    """A line for each version, with the names that a library of it has and none of an older one."""
    names: dict[str, set[str]] = {}
    for release in releases:
        version, _, path = release.partition("=")
        older = [found for other, found in names.items() if other != version]
        names.setdefault(version, set()).update(elf.read(Path(path)).exported)
        names[version].difference_update(*older)
    return [f"{version}: {' '.join(sorted(found))}" for version, found in names.items() if found]


# --- the stable ABI -------------------------------------------------------------------------------


def stable_abi() -> list[str]:
    """A line for each version, with the functions and data that the stable ABI has since then."""
    from abi3info import DATAS, FUNCTIONS  # type: ignore[import-not-found,unused-ignore]

    groups: dict[tuple[int, int], list[str]] = {}
    for symbol, found in sorted((FUNCTIONS | DATAS).items(), key=lambda pair: str(pair[0].name)):
        groups.setdefault((found.added.major, found.added.minor), []).append(symbol.name)
    return [f"{a}.{b}: {' '.join(names)}" for (a, b), names in sorted(groups.items())]


if __name__ == "__main__":
    main()
