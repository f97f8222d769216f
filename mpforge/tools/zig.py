"""zig: the C and C++ compiler for every target, a wheel of the package index kept in the tool store.

zig builds a target's C library, runtime and libc++ itself when first asked. That takes a minute, so
it is done once for each zig and target, in a cache of ours (never the user's), which all later
calls share. This module does not know what is compiled.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from mpforge import processes
from mpforge.errors import ToolUnavailable
from mpforge.plan.pins import Package
from mpforge.tools.toolstore import ToolStore

Language = Literal["c", "c++"]

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


@dataclass(frozen=True)
class Zig:
    """``path`` is the executable, ``digest`` the identity of the packages that it came in."""

    path: Path
    version: str
    digest: str


def digest_of(packages: Sequence[Package]) -> str:
    """What identifies zig: names, versions and hashes of the packages that bring it."""
    facts = sorted((p.name, p.version, *sorted(p.hashes)) for p in packages)
    return hashlib.sha256(json.dumps(["zig", facts]).encode()).hexdigest()


def provide(
    packages: tuple[Package, ...], store: ToolStore, install: Callable[[Path], None]
) -> Zig:
    """The zig of these pinned packages; ``install(directory)`` fetches them if it is not here yet.

    It may install them as a plain directory of packages or as an environment. Raises
    ``ToolUnavailable`` if there is no zig in them, and what ``install`` raises.
    """
    version = next((p.version for p in packages if p.name == "ziglang"), None)
    if version is None:
        raise ToolUnavailable("the pinned packages of zig do not hold ziglang")

    def make(directory: Path) -> None:
        install(directory)
        _executable(directory)

    tree = store.obtain(name="zig", version=version, digest=digest_of(packages), make=make)
    return Zig(_executable(tree.path), version, tree.digest)


def prime(
    zig: Zig,
    *,
    triple: str,
    languages: Sequence[Language],
    store_root: Path,
    flags: Sequence[str] = (),
) -> Path:
    """The ``ZIG_GLOBAL_CACHE_DIR`` for a target, with what these languages' links need made.

    ``triple`` is as ``-target`` takes it (``wrappers.zig_target``), ``flags`` are
    ``wrappers.machine_flags``. Each language is made once, under a lock; the directory stays
    writable, for combinations that were not made. Raises ``ToolUnavailable`` if zig can't.
    """
    cache = _cache(zig, triple, flags, store_root)
    missing = [language for language in languages if not _marker(cache, language).exists()]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_name(f".{cache.name}.lock")):
            for language in missing:
                if not _marker(cache, language).exists():
                    _make(zig, cache, language, ("-target", triple, *flags))
                    _marker(cache, language).touch()
    return cache


def is_primed(
    zig: Zig,
    *,
    triple: str,
    languages: Sequence[Language],
    store_root: Path,
    flags: Sequence[str] = (),
) -> bool:
    """Whether ``prime`` has nothing to do."""
    cache = _cache(zig, triple, flags, store_root)
    return all(_marker(cache, language).exists() for language in languages)


def _cache(zig: Zig, triple: str, flags: Sequence[str], store_root: Path) -> Path:
    suffix = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:8] if flags else ""
    return store_root / "zig" / "-".join(filter(None, (zig.digest[:16], triple, suffix)))


def _marker(cache: Path, language: Language) -> Path:
    return cache / f"mpforge-primed-{language}"


def _make(zig: Zig, cache: Path, language: Language, target: Sequence[str]) -> None:
    """Link a shared library and a program: at -O3 and stripped, as the compiler wrappers do."""
    name, text, driver = _SAMPLES[language]
    with tempfile.TemporaryDirectory(prefix="mpforge-zig-") as work:
        Path(work, name).write_text(text, encoding="utf-8")
        environment = {
            "PATH": "/usr/bin:/bin",
            "ZIG_GLOBAL_CACHE_DIR": str(cache),
            "ZIG_LOCAL_CACHE_DIR": str(Path(work, "cache")),
        }
        options = (*target, "-fno-sanitize=undefined", "-O3", "-g0", "-Wl,-s")
        for kind in (("-fPIC", "-shared", "-o", "sample.so"), ("-o", "sample")):
            argv = [str(zig.path), driver, *options, *kind, name]
            try:
                answer = processes.capture(
                    argv, environment=environment, cwd=Path(work), timeout=_PRIME_SECONDS
                )
            except (OSError, TimeoutError) as error:
                raise ToolUnavailable(f"zig {zig.version} can't be run", why=str(error)) from error
            if answer.returncode != 0:
                raise ToolUnavailable(
                    f"zig {zig.version} can't link {language} for {target[1]}",
                    why=answer.stderr[-2000:],
                )


def _executable(tree: Path) -> Path:
    for pattern in ("ziglang/zig", "lib/python*/site-packages/ziglang/zig"):
        for path in sorted(tree.glob(pattern)):
            if path.is_file():
                return path
    raise ToolUnavailable("the package ziglang holds no zig for this host")
