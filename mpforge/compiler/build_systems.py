"""Build systems for outputs other than wheels: the user's commands, make, CMake, Meson, autotools.

Each kind that configures gets a separate directory ({build_dir}), gets the target's settings as mpforge
defines them, and installs into {dest_dir}, from where ``outputs`` are taken. Knows nothing of hosts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, assert_never

from mpforge.compiler.typed_commands import commands, text, texts_of
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine, Text
from mpforge.plan.toolchains import Configurer

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Kind

# On make's command line, because a makefile's own `CC = gcc` overrides the environment.
_MAKE_VARIABLES = " ".join(f'{name}="${name}"' for name in ("CC", "CXX", "AR", "RANLIB", "STRIP"))
MAKE = ShellLine(("make -j", Placeholder("jobs"), f" {_MAKE_VARIABLES}"))

_TOOLS: Mapping[str, tuple[str, ...]] = {"cmake": ("cmake", "ninja"), "meson": ("meson", "ninja")}

PREFIX = Placeholder("prefix")
"""The directory that a library is configured for; it is installed below ``{dest_dir}``."""

_JOBS, _TRIPLE = Placeholder("jobs"), Placeholder("triple")
_PROJECT, _BUILD, _DEST = Placeholder("project"), Placeholder("build_dir"), Placeholder("dest_dir")

CROSS_FILE = Placeholder("cross_file")
"""Meson's file for the target; the next one is for the build machine. Internal: users can't write them."""
NATIVE_FILE = Placeholder("native_file")


def configurer(kind: "Kind") -> Configurer | None:
    """Return the program that configures a build of this kind, if any."""
    match kind:
        case "cmake" | "meson" | "autotools":
            return kind
    return None


def tools(build: "BuildOptions") -> tuple[str, ...]:
    """Return the programs that a build's kind needs in addition to those that the spec declares."""
    return _TOOLS.get(build.kind, ())


def runs_programs(build: "BuildOptions") -> bool:
    """Return whether a build runs its own outputs with ``{run}``."""
    texts = texts_of(commands([*build.commands, *build.before_build]))
    texts += [text(str(written)) for written in (*build.options, *build.environment.values())]
    return any(Placeholder("run") in part for part in texts)


def commands_of(build: "BuildOptions", *, cross: bool, here: str) -> tuple[CommandLine, ...]:
    """Return the commands of a build other than a wheel's; ``here`` is the build machine's GNU triple."""
    options = [text(option) for option in build.options]
    lines: Iterable[CommandLine]
    match build.kind:
        case "make":
            lines = (MAKE,)
        case "cmake":
            lines = _cmake(options)
        case "meson":
            lines = _meson(options, cross=cross)
        case "autotools":
            lines = _autotools(options, cross=cross, here=here)
        case "commands" | "wheel":
            lines = commands(build.commands)
        case _:
            assert_never(build.kind)
    return (*commands(build.before_build), *lines)


def library_commands(
    build: "BuildOptions", *, shared: bool, cross: bool, here: str
) -> tuple[CommandLine, ...]:
    """Return the commands that build a library and install it, static unless it is ``shared``.

    All code is position-independent, because it becomes part of extension modules. For ``here`` see
    ``commands_of``.
    """
    options = [text(option) for option in build.options]
    lines: Iterable[CommandLine]
    given: tuple[Text, ...]
    match build.kind:
        case "make":
            lines = _library_make(options)
        case "cmake":
            switch = "ON" if shared else "OFF"
            given = (
                ("-DCMAKE_INSTALL_PREFIX=", PREFIX),
                # With a type, or a project that caches it as a path makes it absolute.
                ("-DCMAKE_INSTALL_LIBDIR:STRING=lib",),
                ("-DCMAKE_POSITION_INDEPENDENT_CODE=ON",),
                (f"-DBUILD_SHARED_LIBS={switch}",),
            )
            lines = _cmake([*given, *options], ("env", ("DESTDIR=", _DEST)), ())
        case "meson":
            given = (("--prefix=", PREFIX), (f"-Ddefault_library={_kind(shared)}",))
            lines = _meson([*given, *options], cross=cross)
        case "autotools":
            off = "static" if shared else "shared"
            given = (
                ("--prefix=", PREFIX),
                (f"--enable-{_kind(shared)}",),
                (f"--disable-{off}",),
                ("--with-pic",),
            )
            lines = _autotools([*given, *options], cross=cross, here=here)
        case "commands" | "wheel":
            lines = commands(build.commands)
        case _:
            assert_never(build.kind)
    return tuple(lines)


def _kind(shared: bool) -> str:  # noqa: FBT001 - a word for it
    return "shared" if shared else "static"


def _library_make(options: list[Text]) -> Iterator[Argv]:
    """Yield make's commands; a makefile without a configure script has PREFIX or prefix at most."""
    made = 'exec make CC="$CC -fPIC" CXX="$CXX -fPIC" AR="$AR" RANLIB="$RANLIB" STRIP="$STRIP" "$@"'
    make = ("/bin/sh", "-c", made, "make")
    yield _argv(*make, ("-j", _JOBS), *options)
    yield _argv(*make, "install", ("PREFIX=", _DEST), ("prefix=", _DEST), *options)


def _cmake(
    options: list[Text],
    before: tuple[str | Text, ...] = (),
    after: tuple[str | Placeholder, ...] = ("--prefix", _DEST),
) -> Iterator[Argv]:
    """Yield CMake's commands (cmake(1)). It reads CMAKE_TOOLCHAIN_FILE from the environment.

    ``before`` and ``after`` are the words around the call that installs.
    """
    yield _argv(
        "cmake", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *options, "-S", _PROJECT, "-B", _BUILD
    )
    yield _argv("cmake", "--build", _BUILD, "--parallel", _JOBS)
    yield _argv(*before, "cmake", "--install", _BUILD, *after)


def _meson(options: list[Text], *, cross: bool) -> Iterator[Argv]:
    """Yield Meson's commands (https://mesonbuild.com/Commands.html)."""
    files = [("--cross-file=", CROSS_FILE), ("--native-file=", NATIVE_FILE)] if cross else []
    given = ("--buildtype=release", "--prefix=/", "--libdir=lib", "--wrap-mode=nodownload")
    yield _argv("meson", "setup", *files, *given, *options, _BUILD, _PROJECT)
    yield _argv("meson", "compile", "-C", _BUILD, "-j", _JOBS)
    yield _argv("meson", "install", "-C", _BUILD, "--no-rebuild", "--destdir", _DEST)


def _autotools(options: list[Text], *, cross: bool, here: str) -> Iterator[CommandLine]:
    """Yield autotools commands (GNU coding standards, 7.2); a missing configure script is generated first.

    With ``--host`` alone a script tries to run its compiled programs, and assumes a native build
    if the kernel starts an emulator (Autoconf's manual, "Hosts and Cross-Compilation").
    """
    yield ShellLine(("test -x configure || autoreconf --install --force",))
    machines: list[str | Text] = [f"--build={here}", ("--host=", _TRIPLE)] if cross else []
    yield _argv("./configure", *machines, "--prefix=/", *options)
    yield _argv("make", ("-j", _JOBS))
    yield _argv("make", "install", ("DESTDIR=", _DEST))


def _argv(*words: str | Placeholder | Text) -> Argv:
    return Argv(tuple(word if isinstance(word, tuple) else (word,) for word in words))
