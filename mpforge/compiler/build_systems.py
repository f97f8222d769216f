"""What builds a thing that is no wheel: the user's commands, make, CMake, Meson, autotools.

Each kind that configures gets a directory of its own ({build_dir}), is told of the target by what mpforge
has for it, and installs into {dest_dir}, from where ``outputs`` are taken. Knows nothing of hosts.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, assert_never

from mpforge.compiler.typed_commands import commands, text
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine, Text
from mpforge.plan.toolchains import Configurer

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Kind

# On make's command line, because a makefile's own `CC = gcc` overrides the environment.
_MAKE_VARIABLES = " ".join(f'{name}="${name}"' for name in ("CC", "CXX", "AR", "RANLIB", "STRIP"))
MAKE = ShellLine(("make -j", Placeholder("jobs"), f" {_MAKE_VARIABLES}"))

_CONFIGURERS: "dict[Kind, Configurer]" = {
    "cmake": "cmake",
    "meson": "meson",
    "autotools": "autotools",
}
_TOOLS: dict[Configurer, tuple[str, ...]] = {
    "cmake": ("cmake", "ninja"),
    "meson": ("meson", "ninja"),
    "autotools": (),
}

_JOBS, _TRIPLE = Placeholder("jobs"), Placeholder("triple")
_PROJECT, _BUILD, _DEST = Placeholder("project"), Placeholder("build_dir"), Placeholder("dest_dir")

CROSS_FILE = Placeholder("cross_file")
"""Meson's file for the target, and the next one its file for the machine that builds: ours alone."""
NATIVE_FILE = Placeholder("native_file")


def configurer(kind: "Kind") -> Configurer | None:
    """What configures a build of this kind, if anything does."""
    return _CONFIGURERS.get(kind)


def tools(build: "BuildOptions") -> tuple[str, ...]:
    """The programs that a build's kind needs beside those that the spec declares."""
    configured = configurer(build.kind)
    return () if configured is None else _TOOLS[configured]


def runs_programs(build: "BuildOptions") -> bool:
    """Whether the spec has a build run what it made, by ``{run}``."""
    lines = commands([*build.commands, *build.before_build])
    texts = [part for line in lines for part in _texts(line)]
    texts += [text(str(written)) for written in (*build.options, *build.environment.values())]
    return any(Placeholder("run") in part for part in texts)


def _texts(line: CommandLine) -> tuple[Text, ...]:
    return (line.text,) if isinstance(line, ShellLine) else line.words


def commands_of(build: "BuildOptions", *, cross: bool, here: str) -> tuple[CommandLine, ...]:
    """The command lines of a build that is no wheel's; ``here`` is the GNU triple of what builds."""
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
            lines = commands(list(build.commands))
        case _:
            assert_never(build.kind)
    return (*commands(list(build.before_build)), *lines)


def _cmake(options: list[Text]) -> Iterator[Argv]:
    """cmake(1). It reads CMAKE_TOOLCHAIN_FILE from the environment."""
    yield _argv(
        "cmake", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *options, "-S", _PROJECT, "-B", _BUILD
    )
    yield _argv("cmake", "--build", _BUILD, "--parallel", _JOBS)
    yield _argv("cmake", "--install", _BUILD, "--prefix", _DEST)


def _meson(options: list[Text], *, cross: bool) -> Iterator[Argv]:
    """https://mesonbuild.com/Commands.html."""
    files = [("--cross-file=", CROSS_FILE), ("--native-file=", NATIVE_FILE)] if cross else []
    given = ("--buildtype=release", "--prefix=/", "--libdir=lib", "--wrap-mode=nodownload")
    yield _argv("meson", "setup", *files, *given, *options, _BUILD, _PROJECT)
    yield _argv("meson", "compile", "-C", _BUILD, "-j", _JOBS)
    yield _argv("meson", "install", "-C", _BUILD, "--no-rebuild", "--destdir", _DEST)


def _autotools(options: list[Text], *, cross: bool, here: str) -> Iterator[CommandLine]:
    """GNU coding standards, 7.2. A source without its configure script is given one first.

    With ``--host`` alone a script tries to run what it compiled, and believes that it does not cross
    where the kernel starts an emulator (Autoconf's manual, "Hosts and Cross-Compilation").
    """
    yield ShellLine(("test -x configure || autoreconf --install --force",))
    machines: list[str | Text] = [f"--build={here}", ("--host=", _TRIPLE)] if cross else []
    yield _argv("./configure", *machines, "--prefix=/", *options)
    yield _argv("make", ("-j", _JOBS))
    yield _argv("make", "install", ("DESTDIR=", _DEST))


def _argv(*words: str | Placeholder | Text) -> Argv:
    return Argv(tuple(word if isinstance(word, tuple) else (word,) for word in words))
