"""Check that an interpreter which the user gives by path is a program of the target."""

from collections.abc import Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError

from mpforge.artifacts import elf
from mpforge.artifacts.proof import machine_reasons
from mpforge.errors import NoTargetPython
from mpforge.platforms import Platform

_SCRIPT = b"#!"


def require_program_of(platform: Platform, executable: Path, *, variable: str) -> None:
    """Raise ``NoTargetPython`` for a program of another machine or C library, or no program; scripts pass.

    ``variable`` is what the path was given by.
    """
    program, hint = executable.resolve(), f"set it to a Python for {platform.gnu_triple}"
    if elf.starts_with(program, _SCRIPT):
        return
    if not elf.is_elf(program):
        raise NoTargetPython(
            f"{executable} ({variable}) is not a program: it is neither an ELF file nor a script",
            hint=hint,
        )
    if wrong := list(_wrong(program, platform)):
        raise NoTargetPython(
            f"{executable} ({variable}) is not for {platform.name}",
            why="\n".join(wrong),
            hint=hint,
        )


def _wrong(executable: Path, platform: Platform) -> Iterator[str]:
    try:
        facts = elf.read(executable)
    except ELFError as error:
        yield f"it is damaged: {error}"
        return
    yield from (f"it {reason}" for reason in machine_reasons(facts, platform))
    if facts.interpreter not in (None, platform.loader):
        libc = platform.libc.name if platform.libc else "this system"
        yield f"its loader is {facts.interpreter}; that of {libc} is {platform.loader}"
