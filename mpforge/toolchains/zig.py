"""zig: the C and C++ compiler for every target, a wheel of the package index kept in the tool store.

zig builds a target's C library, runtime and libc++ itself when first asked. That takes a minute, so it
is done once for each zig, target and mode, in a cache that is a tool too: nothing that a build does
changes it, because each step works on a copy of its own. This module does not know what is compiled.
"""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mpforge import processes
from mpforge.errors import ToolUnavailable
from mpforge.plan.pins import Package
from mpforge.store.tool_store import ToolStore, ToolTree
from mpforge.toolchains import double_double, musl_library
from mpforge.toolchains.compiler_wrappers import own_libraries
from mpforge.toolchains.musl_library import MuslLibrary
from mpforge.toolchains.ready import Language, digest

_PRIME_SECONDS = 1800.0  # a cold C++ link is a minute of CPU on a good machine

# A link of each kind makes zig build what such links need: language → (file, text, driver).
_C = """
#include <math.h>
int main(int n, char **v) { return v[0] == 0 ? (int)sin(n) : 0; }
"""
_CXX = """
#include <stdexcept>
#include <string>
int main(int n, char **v) {
  try { if (n > 9) throw std::runtime_error(std::string(v[0])); }
  catch (const std::exception &) { return 1; }
  return 0;
}
"""
_SAMPLES: dict[Language, tuple[str, str, str]] = {
    "c": ("sample.c", _C, "cc"),
    "c++": ("sample.cc", _CXX, "c++"),
}
_KINDS = (
    ("-fPIC", "-shared", "-o", "sample.so", "-g0", "-Wl,-s"),
    ("-o", "sample", "-g0", "-Wl,-s"),
    ("-fPIE", "-pie", "-o", "sample-pie", "-g0", "-Wl,-s"),
)

# The parts of a global cache that are worth keeping: manifests, the files that they list, zig's own settings.
# The rest is for programs written in zig (z), or useless afterwards (tmp, samples).
_PARTS = ("h", "o", "b")

# Flags that zig's own libraries are made with too. -O1 to -O3 and -O0 give the same ones.
_CPU = re.compile(r"-m(arch|cpu)=")
_OWN_FLAGS = re.compile(r"-(O[sz]|flto(=full|=thin)?|fomit-frame-pointer|funwind-tables)")
_OTHER_MODE = re.compile(r"-O.*|-fno-(lto|omit-frame-pointer|unwind-tables)")


@dataclass(frozen=True)
class Zig:
    """``path`` is the executable, ``digest`` the identity of the packages that it came in."""

    path: Path
    version: str
    digest: str


def digest_of(packages: Sequence[Package]) -> str:
    """Return the digest that identifies zig: names, versions and hashes of the packages that bring it."""
    facts = sorted((p.name, p.version, *sorted(p.hashes)) for p in packages)
    return digest(json.dumps(["zig", facts]))


def provide(
    packages: tuple[Package, ...], store: ToolStore, install: Callable[[Path], None]
) -> Zig:
    """Return the zig of these pinned packages; ``install(directory)`` fetches them if needed.

    It may install them as a plain directory of packages or as an environment. Raises
    ``ToolUnavailable`` if there is no zig in them, and what ``install`` raises.
    """
    version = next((p.version for p in packages if p.name == "ziglang"), None)
    if version is None:
        raise ToolUnavailable("the pinned packages of zig do not contain ziglang")

    def make(directory: Path) -> None:
        install(directory)
        _executable(directory)

    tree = store.obtain(name="zig", version=version, digest=digest_of(packages), make=make)
    return Zig(_executable(tree.path), version, tree.digest)


@dataclass(frozen=True)
class Runtime:
    """The libraries that zig makes for links to a target: C library, compiler runtime, libc++.

    ``zig`` is zig's digest, ``triple`` as ``-target`` takes it (``compiler_wrappers.zig_target``),
    ``always`` the flags of every call (``compiler_wrappers.flags``), ``flags`` the result of
    ``runtime_flags``, ``musl`` the C library to link against, if it is one.
    """

    zig: str
    triple: str
    always: tuple[str, ...]
    flags: tuple[str, ...] = ()
    musl: MuslLibrary | None = None

    def name(self, language: Language) -> tuple[str, str]:
        """Return the cache's name and digest in the tool store."""
        facts: list[object] = [self.zig, self.triple, self.always, self.flags, _KINDS]
        if self.musl is not None:
            facts.append(self.musl.facts())
        if own := own_libraries(self.always):
            facts.append(own)
        if text := double_double.source(self.always):
            facts.append(text)
        samples = [_SAMPLES["c"], *([_SAMPLES["c++"]] if language == "c++" else [])]
        name = f"zigcache-{self.triple}-{language.replace('+', 'x')}"
        return name, digest(json.dumps(["zigcache", facts, samples]))


def runtime_flags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return those of a build's flags (CFLAGS and the like) that change zig's own libraries."""
    found: dict[str, str] = {}
    for word in " ".join(texts).split():
        kind = word[:2] if word.startswith("-O") else word.replace("-fno-", "-f").partition("=")[0]
        if _CPU.match(word):
            if said := _cpu_in_zig_s_words(word.partition("=")[2]):
                found["-mcpu"] = f"-mcpu={said}"
        elif _OWN_FLAGS.fullmatch(word):
            found[kind] = word
        elif _OTHER_MODE.fullmatch(word):
            found.pop(kind, None)
    return tuple(sorted(found.values()))


def _cpu_in_zig_s_words(cpu: str) -> str | None:
    """Return zig's name of a CPU as the compiler wrappers do (``cpu_names.sh``); None if it has none.

    Libraries for a CPU with extensions (``armv8-a+crc``) are not made beforehand: zig makes them in the step.
    """
    if match := re.fullmatch(r"armv([89])\.(\d)-a", cpu):
        return f"generic+v{match[1]}_{match[2]}a"
    if re.search(r"[+.]", cpu) or cpu.startswith(("native", "generic", "armv", "rv", "loongarch")):
        return None
    named = {"core-avx2": "haswell"}.get(cpu, cpu.replace("-", "_"))
    return f"pwr{named[5:]}" if named.startswith("power") else named


def prime(
    zig: Zig,
    runtime: Runtime,
    language: Language,
    store: ToolStore,
    working: Callable[[str], AbstractContextManager[None]],
) -> ToolTree:
    """Return a ``ZIG_GLOBAL_CACHE_DIR`` with a language's libraries, to copy from.

    It is made once, C++'s from C's, one with flags from one without; ``working(what)`` is the
    context of the work. C++'s take a minute: after an interrupt zig goes on with the objects that it has
    finished, as its manifests tell. Raises ``ToolUnavailable`` if zig can't.
    """

    def make(directory: Path) -> None:
        if runtime.flags:
            plain = dataclasses.replace(runtime, flags=())
            _copy(prime(zig, plain, language, store, working).path, directory)
        elif language == "c++":
            _copy(prime(zig, runtime, "c", store, working).path, directory)
        flags = f" with {' '.join(runtime.flags)}" if runtime.flags else ""
        libraries = f"zig's {language.upper()} libraries for {runtime.triple}{flags}"
        with working(f"making {libraries}, once"):
            _link(zig, runtime, language, directory)
        for entry in [entry for entry in directory.iterdir() if entry.name not in _PARTS]:
            shutil.rmtree(entry)

    name, identity = runtime.name(language)
    # Only these were tried: after 41 kills no finished object differed. Others take seconds, or are rare.
    resumable = language == "c++" and not runtime.flags
    return store.obtain(
        name=name, version=zig.version, digest=identity, make=make, resumable=resumable
    )


def private_cache(primed: Iterable[ToolTree], directory: Path) -> Path:
    """Return a ``ZIG_GLOBAL_CACHE_DIR`` for one step in a new directory: copies of primed caches."""
    directory.mkdir(parents=True)
    for tree in primed:
        _copy(tree.path, directory)
    return directory


def _copy(cache: Path, directory: Path) -> None:
    """Copy a cache, without modes: zig writes to its manifests."""
    shutil.copytree(cache, directory, copy_function=shutil.copyfile, dirs_exist_ok=True)


def _link(zig: Zig, runtime: Runtime, language: Language, cache: Path) -> None:
    """Link libraries and programs as builds do; zig puts what it needs for them into ``cache``."""
    name, text, driver = _SAMPLES[language]
    work = cache / "samples"
    shutil.rmtree(work, ignore_errors=True)  # an interrupted call's
    work.mkdir()
    (work / name).write_text(text, encoding="utf-8")
    environment = {
        "PATH": "/usr/bin:/bin",
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(work / "cache"),
    }
    if own := own_libraries(runtime.always):
        environment["CCC_OVERRIDE_OPTIONS"] = own
    called = ["-target", runtime.triple, *runtime.always]

    def run(program: str, *words: str) -> None:
        argv = [str(zig.path), program, *(called if program in ("cc", "c++") else ()), *words]
        try:
            answer = processes.capture(
                argv, environment=environment, cwd=work, timeout=_PRIME_SECONDS
            )
        except (OSError, TimeoutError) as error:
            raise ToolUnavailable(f"zig {zig.version} can't be run", why=str(error)) from error
        if answer.returncode != 0:
            raise ToolUnavailable(
                f"zig {zig.version} can't link {language} for {runtime.triple}",
                why=answer.stderr[-2000:],
            )

    for kind in _KINDS:
        run(driver, "-O3", *runtime.flags, *kind, name)
    if runtime.musl is not None:
        musl_library.replace_stubs(runtime.musl, cache, work, run)
    if source := double_double.source(runtime.always):
        double_double.make(source, cache, work, run)


def _executable(tree: Path) -> Path:
    for pattern in ("ziglang/zig", "lib/python*/site-packages/ziglang/zig"):
        for path in sorted(tree.glob(pattern)):
            if path.is_file():
                return path
    raise ToolUnavailable("the package ziglang contains no zig for this host")
