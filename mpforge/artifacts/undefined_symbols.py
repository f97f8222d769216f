"""Find the undefined symbols of a result's files that nothing on the target defines.

A linker leaves symbols of shared libraries open, and a loader that binds lazily finds out only when a
function is called. So each is looked up here: in the libraries that a file needs and ships, in those of
every system, in glibc, in the Python that loads it. Knows nothing of versions, nor of how errors are shown.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mpforge.artifacts.binary_format import Binary, Promise
from mpforge.platforms.policies import is_musl, libc_of, newer_libc, oldest_libc_symbols
from mpforge.platforms.symbols import cpython_exports, may_be_of

_OF_PYTHON = re.compile(r"_?Py")
_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"GOMP_|GOACC_|omp_|__kmpc_|__tgt_",
        "it belongs to OpenMP's runtime, which was not linked: leave out -fopenmp, or link the runtime",
    ),
    (
        r"__gcov_|llvm_gcda_|llvm_gcov_|__llvm_profile_",
        "it belongs to a coverage build: leave out --coverage (-fprofile-arcs, -fprofile-instr-generate)",
    ),
    (
        r"__(asan|ubsan|tsan|msan|lsan|hwasan|sanitizer|sancov)_",
        "it belongs to a sanitizer: leave out -fsanitize=…",
    ),
    (r"__afl_|__fuzzer_|LLVMFuzzer", "it belongs to a fuzzer: leave out -fsanitize=fuzzer"),
    (r"__atomic_", "it belongs to libatomic: link with -latomic"),
    (r"_gfortran_|_QQ|_Fortran", "it belongs to Fortran's runtime: link with the Fortran compiler"),
    (
        r"_ZN?K?St|_ZN?K?S[absiod]|_Z[nd][aw]|__cxa_|__gxx_personality|_ZTV.*__cxxabiv1",
        'it belongs to the C++ library: link with the C++ compiler (setuptools: language = "c++")',
    ),
    (
        r"cblas_|lapack|[sdcz]gem[mv]_$",
        "it belongs to BLAS or LAPACK: link with a library that has it",
    ),
    (r"_?Py", "this Python does not export it: it may be private, or belong to another version"),
)
_ALLOW = 'set `allow-undefined = ["{name}"]` in [build] if {condition}'
_FORGOTTEN = "add the source file that defines it to the extension's sources, or link the library that has it"


@dataclass(frozen=True)
class Surroundings:
    """The environment that a result's files run in: the promised systems, and what loads the files.

    ``python`` loads them (``cp311``), None: none does; with ``stable`` any does, and the stable ABI is judged
    elsewhere. ``shares``: modules are loaded so that later ones see their symbols (``RTLD_GLOBAL``).
    """

    promise: Promise
    python: str | None = None
    stable: bool = False
    shares: bool = False

    def interpreter_has(self, symbol: str) -> bool:
        """Return whether the Python that loads the files exports a symbol."""
        if self.python is None:
            return False
        exports = None if self.stable else cpython_exports(self.python)
        return bool(_OF_PYTHON.match(symbol)) if exports is None else symbol in exports


def remedy(symbols: AbstractSet[str], policy: str) -> str:
    """Return the advice about undefined symbols, by the first one whose cause is known."""
    for symbol in sorted(symbols):
        if since := newer_libc(symbol, policy):
            return _of_newer_libc(symbol, since, policy)
    words = (_known_cause(symbol) for symbol in sorted(symbols))
    advice = next(filter(None, words), _FORGOTTEN)
    allow = _ALLOW.format(name=min(symbols), condition="the program that loads the file defines it")
    return f"{advice}; or {allow}"


def _of_newer_libc(symbol: str, since: tuple[int, ...], policy: str) -> str:
    libc, version = libc_of(policy), ".".join(map(str, since))
    advice = (
        f"turn off the feature that uses {symbol}, by a macro or an option of the project's build"
    )
    condition = f"all your users have {libc.name} {version} or newer"
    if is_musl(policy):
        allow = _ALLOW.format(name=symbol, condition=condition)
        return f"{advice}; or, because no policy promises {libc.name} {version}, {allow}"
    return f'{advice}; or set `policy = "{libc.policy}_{since[0]}_{since[1]}"` in [build] if {condition}'


def _known_cause(symbol: str) -> str | None:
    causes = (words for pattern, words in _REMEDIES if re.match(pattern, symbol))
    return next((f"{symbol}: {words}" for words in causes), None)


def undefined(files: Mapping[str, Binary], there: Surroundings) -> Iterator[tuple[str, str]]:
    """Yield every undefined symbol of a result's files (by relative name) that nothing defines, and where.

    A file that needs a missing library is passed over: that is reported elsewhere.
    """
    shipped = _Shipped(files, there)
    for name, file in files.items():
        if not file.linked or not file.undefined:
            continue
        loaded, needed = shipped.loaded_with(file)
        anything = any(map(shipped.is_elsewhere, needed))
        for symbol in file.undefined:
            wanted = symbol.version
            if any(fnmatchcase(symbol.name, glob) for glob in there.promise.provided):
                continue
            if wanted is not None:
                # A linker records versions of libraries; only those of shipped libraries can be checked.
                own = shipped.called(wanted.library)
                if own and not any(symbol.name in other.exported for other in own):
                    why = f"{wanted.library} does not export it"
                    yield symbol.name, f"{name}: undefined symbol {symbol.name}: {why}"
            elif not anything and not shipped.has(symbol.name, file, loaded, needed):
                why = _lacking(symbol.name, there.promise.system.name)
                yield symbol.name, f"{name}: undefined symbol {symbol.name}: {why}"


def _lacking(symbol: str, policy: str) -> str:
    since = newer_libc(symbol, policy)
    if since is None:
        return "no library that it needs defines it"
    version = ".".join(map(str, since))
    return f"{libc_of(policy).name} has it since {version}, {policy} promises an older one"


class _Shipped:
    """The files of a result, which may define symbols for each other."""

    def __init__(self, files: Mapping[str, Binary], there: Surroundings) -> None:
        self._there = there
        self._by_name: dict[str, list[Binary]] = {}
        linked = {path: file for path, file in files.items() if file.linked}
        for path, file in linked.items():
            for name in {path.rpartition("/")[2], file.soname or ""} - {""}:
                self._by_name.setdefault(name, []).append(file)
        # Libraries may be loaded before, by ctypes or by a program; Python hides a module's symbols.
        self._common: set[str] = set().union(
            *(file.exported for file in linked.values() if there.shares or not file.is_module)
        )
        self._outside = {name for file in linked.values() for name in file.needed}

    def called(self, name: str) -> list[Binary]:
        """Return the files that a loader may take for a needed library."""
        return self._by_name.get(name, [])

    def loaded_with(self, file: Binary) -> tuple[list[Binary], set[str]]:
        """Return the result's files that are loaded with ``file``, and the names of all needed libraries."""
        found, names, queue = [file], set(file.needed), list(file.needed)
        while queue:
            for other in self.called(queue.pop()):
                if not any(other is one for one in found):
                    found.append(other)
                    queue += set(other.needed) - names
                    names.update(other.needed)
        return found, names

    def is_elsewhere(self, library: str) -> bool:
        """Return whether a library is the user's or unknown, and so may define any symbol."""
        promise = self._there.promise
        is_known = library in self._by_name or library in promise.system.libraries
        return not is_known or any(fnmatchcase(library, glob) for glob in promise.excluded)

    def has(self, symbol: str, file: Binary, loaded: list[Binary], needed: set[str]) -> bool:
        """Return whether a loader finds an unversioned symbol for ``file``."""
        there, system = self._there, self._there.promise.system
        outside = needed if file.is_module else self._outside
        return (
            symbol in self._common
            or any(symbol in other.exported for other in loaded)
            or there.interpreter_has(symbol)
            or symbol in oldest_libc_symbols(system.name)
            or any(may_be_of(library, symbol) for library in outside & system.libraries)
        )
