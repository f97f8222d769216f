"""The compilers of a target: POSIX shell programs that call zig the way that GCC is called.

A project's build says what GCC understands; zig refuses part of it. The programs give zig the target
and the oldest C library that the policy allows, drop or translate what it refuses, and note each
such flag. They hold no path: zig's is in ``MPFORGE_ZIG``. This module knows nothing of Python.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mpforge.platforms import MUSL, Platform, policy_version
from mpforge.toolchains import double_double
from mpforge.toolchains.templates import filled, template

# Debug mode traps on undefined behaviour, and clang warns of GCC's flags at length.
_COMMON_FLAGS = (
    "-fno-sanitize=undefined",
    "-Wno-unknown-warning-option",
    "-Wno-unused-command-line-argument",
    "-Wno-ignored-optimization-argument",
)

# zig links musl statically unless told otherwise, even into an extension module.
_MUSL_FLAGS = ("-dynamic",)

# The names by which builds find a compiler on PATH if no variable names it; the language of each.
_DRIVERS = {"cc": "c", "c++": "c++"}
# One text is read faster than several: what `compiler.sh` is put together from.
_PARTS = ("host_paths", "cpu_names", "linking")
RUN = "mpforge-run"
"""The program of ``bin/`` that starts another one: the target's under the emulator."""

_PROGRAMS = {"ar": "ar", "ranlib": "ranlib", "objcopy": "objcopy", "ld": "ld.lld"}


@dataclass(frozen=True)
class WrapperNote:
    """A compiler wrapper's record of what it did with a flag.

    ``kind`` is dropped (it changes no meaning), lost (it does), translated, carried (given to zig's linker,
    past zig), refused, openmp (refused for want of a runtime) or unread (a ``@file``).
    ``instead`` is what was said in its place, if translated; the whole call, if refused, and then
    ``directory`` is where it was made.
    """

    kind: str
    flag: str
    instead: str = ""
    directory: str = ""


def zig_target(platform: Platform, policy: str) -> str:
    """Return zig's triple with the policy's C library, as for ``-target``: ``aarch64-linux-gnu.2.17``.

    musl's has no version: zig has the one that it brings. Raises ``ValueError`` for no policy.
    """
    if platform.libc is None or not platform.libc.versioned:
        return platform.zig_triple
    major, minor = policy_version(policy)
    return f"{platform.zig_triple}.{major}.{minor}"


def flags(platform: Platform) -> tuple[str, ...]:
    """Return the arguments of every call of zig except the target, such as the oldest CPU."""
    libc = _MUSL_FLAGS if platform.libc is MUSL else ()
    return (*_COMMON_FLAGS, *libc, *platform.zig_flags)


def own_libraries(words: Iterable[str]) -> str:
    """Return clang's CCC_OVERRIDE_OPTIONS for zig's own libraries; "" if none of every call's words matters.

    zig compiles them without the caller's ``-mabi=``: for ppc64le they would call the ``printf`` family of
    glibc 2.32 for another ``long double``. clang appends each word after a ``+``; ``#`` keeps it quiet.
    """
    added = [f"+{word}" for word in words if word.startswith("-mabi=")]
    return " ".join(["#", *added]) if added else ""


def programs(
    platform: Platform,
    policy: str,
    *,
    cross: bool,
    headers_name: str | None = None,
    builder: Platform | None = None,
    image_headers: bool = False,
) -> dict[str, str]:
    """Return the text of each program of ``bin/`` by its name.

    ``headers_name`` is the directory below ``include/`` that every compilation searches first.
    ``builder`` is the machine that builds, where it is to have compilers of its own (``build-cc``).
    ``image_headers``: they are called in an image of the target, whose headers and libraries come last.
    """
    texts = _drivers(
        platform, policy, cross=cross, headers_name=headers_name, image_headers=image_headers
    )
    for name, program in _PROGRAMS.items():
        texts[name] = filled("program.sh", {"PROGRAM": program})
    if cross:
        texts[RUN] = _runner(platform)
    if builder is not None:
        own = _drivers(
            builder, builder.default_policy, cross=False, headers_name=None, image_headers=False
        )
        texts |= {f"build-{name}": text for name, text in own.items()}
    return {**texts, "strip": template("strip.sh")}


def _drivers(
    platform: Platform, policy: str, *, cross: bool, headers_name: str | None, image_headers: bool
) -> dict[str, str]:
    """Return the wrappers ``cc`` and ``c++``."""
    own = own_libraries(flags(platform))
    values = {
        "OWN": f"export CCC_OVERRIDE_OPTIONS='{own}'\n" if own else "",
        "MORE": _long_double() if double_double.source(platform.zig_flags) else "",
        "TRIPLE": platform.gnu_triple,
        "ARCH": platform.zig_triple.partition("-")[0],
        "TARGET": zig_target(platform, policy),
        "PLAIN_TARGET": platform.zig_triple,
        "FLAGS": " ".join(
            (*flags(platform), *(_headers_of_image(platform) if image_headers else ()))
        ),
        "LIBRARIES": " ".join(_libraries_of_image(platform) if image_headers else ()),
        "INCLUDE": f'-I "$mpf_view/include/{headers_name}"' if headers_name else "",
        "CROSS": "1" if cross else "",
    }
    parts = {part.upper(): filled(f"{part}.sh", values) for part in _PARTS}
    return {
        name: filled("compiler.sh", {**parts, **values, "MODE": name, "LANGUAGE": language})
        for name, language in _DRIVERS.items()
    }


def _long_double() -> str:
    """Return the line by which a link takes what it needs of ``double_double``."""
    library = f'"$ZIG_GLOBAL_CACHE_DIR/{double_double.LIBRARY}"'
    return f'\t[ ! -f {library} ] || set -- "$@" {library}\n'


def _headers_of_image(platform: Platform) -> tuple[str, ...]:
    """Return an image's header directories, where zig looks for headers that it does not bring."""
    folders = ("/usr/local/include", f"/usr/include/{platform.multiarch}", "/usr/include")
    return tuple(word for folder in folders for word in ("-idirafter", folder))


def _libraries_of_image(platform: Platform) -> tuple[str, ...]:
    """Return the directories in which an image may have libraries."""
    own = f"/usr/lib/{platform.multiarch}"
    return ("/usr/local/lib64", "/usr/local/lib", "/usr/lib64", own, "/usr/lib")


def _runner(platform: Platform) -> str:
    """Return the script that starts the target's programs (by their ELF header) under the emulator."""
    ident = bytes([platform.bits // 32, 1 if platform.endian == "little" else 2])
    values = {
        "IDENT": ident.hex(),
        "ELF_MACHINE": elf_machine(platform).hex(),
        "TRIPLE": platform.gnu_triple,
    }
    return filled("run.sh", values)


def elf_machine(platform: Platform) -> bytes:
    """Return e_machine, the two bytes at offset 18 of a program for the platform (elf(5))."""
    return platform.elf_number.to_bytes(2, platform.endian)


def read_notes(log: Path, told: Callable[[str], str] = str) -> tuple[WrapperNote, ...]:
    """Return the notes in ``$MPFORGE_WRAPPER_LOG``, each once, in order; none if the file is missing.

    ``told`` returns a text of the step's programs with the host's paths.
    """
    try:
        lines = told(log.read_text(encoding="utf-8", errors="replace")).splitlines()
    except FileNotFoundError:
        return ()
    rows = (line.split("\t") for line in dict.fromkeys(lines))
    return tuple(WrapperNote(*row[:4]) for row in rows if len(row) in (3, 4))
