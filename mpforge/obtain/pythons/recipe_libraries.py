"""The libraries that standard modules of a Python need, built for a target by mpforge's own recipes.

They are static, and one tree of the tool store for all Pythons of a target. SQLite's comes from no recipe,
because its own source needs a tclsh of this host. Knows nothing of CPython.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mpforge.artifacts import archives
from mpforge.compiler import build_systems, libraries
from mpforge.obtain import source_archives
from mpforge.obtain.pythons.build_log import BuildLog, machine_that_builds
from mpforge.obtain.pythons.target_python import CrossCompilers
from mpforge.plan.texts import CommandLine, Placeholder, ShellLine, Text
from mpforge.platforms import Platform
from mpforge.spec.recipes import recipes
from mpforge.store.tool_store import ToolStore


@dataclass(frozen=True)
class Source:
    """A library's archive, and the commands that build it and install it into ``{dest_dir}``."""

    urls: tuple[str, ...]
    sha256: str
    commands: tuple[CommandLine, ...]


NAMES = ("bzip2", "libffi", "openssl", "sqlite", "xz", "zlib")
"""The recipes, in the order in which they are built."""

_DEST = Placeholder("dest_dir")
_SQLITE = "sqlite"
_SQLITE_SOURCE = Source(
    # The amalgamation of SQLite 3.46.1, as DBD::SQLite has it.
    ("debian:pool/main/libd/libdbd-sqlite3-perl/libdbd-sqlite3-perl_1.76.orig.tar.gz",),
    "0a33a7a935be63371071dbe600cfaefa67cd971b67580a917bbf6ebaf723c584",
    (
        ShellLine(("$CC $CFLAGS -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -c sqlite3.c",)),
        ShellLine(
            (
                "$AR rcs ",
                _DEST,
                "/lib/libsqlite3.a sqlite3.o && cp sqlite3.h ",
                _DEST,
                "/include",
            )
        ),
    ),
)
# Without much optimization, because compiling would cost more time than tests save.
_FLAGS = "-O1 -fPIC -w"
_OPENSSL = "openssl"
# OpenSSL has 1,000 files, which would take 250 CPU seconds, and take 90 like this. Its ciphers are assembly.
# Without optimization zig would add its checks for undefined behaviour.
_OPENSSL_FLAGS = "-O0 -g0 -fno-sanitize=undefined -fPIC -w"
# What neither TLS nor hashlib needs.
_OPENSSL_WITHOUT = (
    "no-aria no-argon2 no-async no-bf no-camellia no-cast no-cmp no-cms no-comp no-ct no-dtls no-ec2m"
    " no-gost no-http no-idea no-md4 no-mdc2 no-ml-dsa no-ml-kem no-module no-ocb no-ocsp no-quic no-rc2"
    " no-rc4 no-rfc3779 no-seed no-siphash no-siv no-slh-dsa no-sm2 no-sm4 no-srp no-srtp no-ts no-whirlpool"
)
_WORK = ".work"


def parts() -> Mapping[str, str]:
    """Return the digests of the libraries' sources and commands, for a key."""
    wanted = {name: repr(source(name, "")) for name in NAMES}
    return {f"library.{n}": hashlib.sha256(text.encode()).hexdigest() for n, text in wanted.items()}


def provide(platform: Platform, compilers: CrossCompilers, store: ToolStore) -> Path:
    """Return a directory with ``include`` and ``lib``, made once in the tool store.

    Raises ``NoTargetPython`` with the end of the log, and the errors of ``source_archives.fetch``.
    """
    flags = f"{_FLAGS}, {_OPENSSL_FLAGS}"
    facts = sorted({**parts(), **compilers.parts(), "flags": flags}.items())
    text = "\n".join(f"{name} {value}" for name, value in (("target", platform.name), *facts))
    return store.obtain(
        name=f"libraries-{platform.name}",
        version="1",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        make=partial(_make, platform, compilers),
    ).path


def _make(platform: Platform, compilers: CrossCompilers, tree: Path) -> None:
    work = tree / _WORK
    for folder in (work, tree / "include", tree / "lib"):
        folder.mkdir()
    # They are C alone; to look whether C++ works, zig would make its C++ library first.
    log = BuildLog({**compilers.environment(work), "CXX": "no"}, work)
    here = machine_that_builds(platform.gnu_triple)
    known = {
        "triple": platform.gnu_triple,
        "arch": platform.machine,
        "jobs": str(os.cpu_count() or 1),
        "prefix": "/",
        "dest_dir": str(tree),
    }
    for name in NAMES:
        place = work / name
        place.mkdir()
        wanted = source(name, here)
        archive = source_archives.fetch(wanted.urls, wanted.sha256, work, f"the source of {name}")
        archives.unpack(archive, place)
        (unpacked,) = place.iterdir()
        for line in wanted.commands:
            flags = _OPENSSL_FLAGS if name == _OPENSSL else _FLAGS
            log.run(*_argv(line, known), cwd=unpacked, CFLAGS=flags)
    shutil.rmtree(work)
    for folder in tree.iterdir():
        if folder.name not in ("include", "lib"):
            shutil.rmtree(folder)


def source(name: str, here: str) -> Source:
    """Return a library's source and commands; ``here`` is the GNU triple of this machine."""
    if name == _SQLITE:
        return _SQLITE_SOURCE
    table = {other: recipe.library for other, recipe in recipes().items()}
    archive, options = table[name].source, libraries.build_options(table[name], table)
    lines = build_systems.library_commands(options, shared=False, cross=True, here=here)
    if archive is None:
        raise AssertionError(f"{name} has no source")
    if name == _OPENSSL and isinstance(lines[0], ShellLine):
        configure = ShellLine((*lines[0].text, f" {_OPENSSL_WITHOUT}"))
        lines = (configure, *lines[1:])
    return Source(archive.url, archive.sha256 or "", lines)


def _argv(line: CommandLine, known: Mapping[str, str]) -> list[str]:
    def fill(text: Text) -> str:
        return "".join(part if isinstance(part, str) else known[part.name] for part in text)

    if isinstance(line, ShellLine):
        return ["/bin/sh", "-e", "-c", fill(line.text)]
    return [fill(word) for word in line.words]
