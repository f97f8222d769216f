"""A virtual environment whose interpreter may be another machine's, and the scripts in it.

Under emulation ``bin/python`` is a script of the host that starts the emulator with the target's
interpreter. ``sys.executable`` is then that script, so whatever a test starts by it is emulated too,
on the same CPU model, with an empty environment as well: the kernel knows script interpreters, it
does not know the target's programs. The environment is made of another, ``.base``, whose interpreter
is such a script too, so environments that a test makes in turn run as well.
This module does not install packages.
"""

import shlex
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from mpforge.obtain.emulators import LOADER, Emulator
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.platforms import glibc_platforms, python_words

# Kernels before 5.1 read no more of a script's first line (execve(2)).
_SHEBANG_BYTES = 127
_EXECUTABLE = 0o755
_ELF = b"\x7fELF"
_PROGRAMS = "programs"
_BASE = ".base"


def run_prefix(emulator: Emulator | None, *, cpu: str | None, sysroot: Path) -> tuple[str, ...]:
    """Return the words before a target's program that run it here; none natively."""
    if emulator is None:
        return ()
    if emulator.is_loader:
        return (str(emulator.path),)
    model = () if cpu is None else ("-cpu", qemu_model(emulator, cpu))
    return (str(emulator.path), *model, "-L", str(sysroot))


def _name_option(prefix: Sequence[str]) -> str:
    """Return the option of an emulator, or of a loader, for the name that a program sees as its own."""
    return "--argv0" if Path(prefix[0]).name.startswith(LOADER) else "-0"


def qemu_model(emulator: Emulator, cpu: str) -> str:
    """Return the model as QEMU's argument; x86 models without warnings about features that QEMU lacks.

    Those go to the stderr of every program: tests that read it would fail.
    """
    x86 = (platform.qemu for platform in glibc_platforms() if platform.x86)
    quiet = any(program and emulator.path.name.startswith(program) for program in x86)
    return f"{cpu},check=off" if quiet else cpu


def write_launcher(
    venv: Path,
    *,
    python: TargetPython,
    emulator: Emulator | None,
    cpu: str | None,
    shown: Path | None = None,
) -> Path:
    """Write the virtual environment ``venv`` (an absolute path) for ``python``; return its ``bin/python``.

    ``shown`` is where it will be, if not there. Without an emulator it is what the venv module makes: a link
    and ``pyvenv.cfg``; but with a CPU model, for an emulator that the kernel starts, a script that tells it.
    """
    programs, there = venv / "bin", shown or venv
    programs.mkdir(parents=True, exist_ok=True)
    site_packages(venv, python.python).mkdir(parents=True, exist_ok=True)
    home = python.executable.parent
    if emulator is not None:
        _write_base(venv / _BASE, python, emulator, cpu)
        home = there / _BASE / "bin"
    (venv / "pyvenv.cfg").write_text(_configuration(python, home), encoding="utf-8")
    launcher = programs / "python"
    launcher.unlink(missing_ok=True)
    if emulator is None and cpu is not None:
        link = (
            programs / f"{python.executable.name}-target"
        )  # a venv's interpreter is known by its place
        link.symlink_to(python.executable)
        text = f"#!/bin/sh\nexport QEMU_CPU={shlex.quote(cpu)}\n"
        place = there / "bin" / link.name
        _write_program(launcher, f'{text}exec {shlex.quote(str(place))} "$@"\n')
    elif emulator is None:
        launcher.symlink_to(python.executable)
    else:
        name = shlex.quote(str(there / "bin" / "python"))  # whatever links lead here
        _write_program(launcher, _launcher_script(name, python, emulator, cpu))
    _link_names(programs, python)
    return launcher


def _link_names(programs: Path, python: TargetPython) -> None:
    for name in ("python3", python.executable.name):
        link = programs / name
        link.unlink(missing_ok=True)
        link.symlink_to("python")


def _write_base(base: Path, python: TargetPython, emulator: Emulator, cpu: str | None) -> None:
    """Write the target's installation with a script for its interpreter.

    The script tells Python the name that it was called by: Python knows an environment by that, and
    ``python -m venv`` and virtualenv make theirs by linking to this script, or copying it.
    """
    programs = base / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for there in python.executable.parent.parent.glob("*"):
        here = base / there.name
        if there.name != "bin" and not here.is_symlink():
            here.symlink_to(there)
    _write_program(programs / "python", _launcher_script('"$0"', python, emulator, cpu))
    _link_names(programs, python)


def _launcher_script(name: str, python: TargetPython, emulator: Emulator, cpu: str | None) -> str:
    """Return the text of an emulated ``bin/python``; ``name``, a word of sh, is Python's own name.

    The model is given as an argument, since ``env -i`` drops QEMU_CPU; the variables are for target
    programs that the host's binfmt handlers start.
    """
    prefix = run_prefix(emulator, cpu=cpu, sysroot=python.sysroot)
    words = shlex.join([*prefix, _name_option(prefix)])
    command = f"{words} {name} {shlex.quote(str(python.executable))}"
    if emulator.is_loader:
        return f'#!/bin/sh\nexec {command} "$@"\n'
    variables = f"QEMU_LD_PREFIX={shlex.quote(str(python.sysroot))}"
    if cpu is not None:
        variables += f" QEMU_CPU={shlex.quote(qemu_model(emulator, cpu))}"
    return f'#!/bin/sh\nexport {variables}\nexec {command} "$@"\n'


def site_packages(venv: Path, python: str) -> Path:
    """Return the directory of a virtual environment's packages, for a Python word."""
    return venv / "lib" / python_words.parse(python).program / "site-packages"


def write_entry_points(
    venv: Path, *, run: Sequence[str] = (), shown: Path | None = None
) -> tuple[Path, ...]:
    """Write ``bin/NAME`` for every script of the packages in ``venv``; return the written files.

    Entry points come from the packages' metadata. Other scripts, and programs of the target, are where
    packages put them, in ``bin``, or in ``site-packages/bin``, where uv's ``--target`` leaves them: scripts
    get this environment's interpreter, programs are started by ``run`` (``run_prefix``). ``shown`` is where
    the environment will be, if not where it is.
    """
    written: dict[str, Path] = {}
    interpreter = (shown or venv) / "bin" / "python"
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    for packages in sorted(venv.glob("lib/*/site-packages")):
        for point in _script_points(packages):
            text = shebang(interpreter) + entry_point_code(point)
            written[point.name] = _write_program(venv / "bin" / point.name, text)
        left = sorted((packages / "bin").glob("*")) if (packages / "bin").is_dir() else []
        for file in left:
            if file.is_file() and file.name not in written and not _is_ours(file.name):
                target = venv / "bin" / file.name
                written[file.name] = _carry_over(file, target, interpreter, run)
    if run:
        written |= {path.name: path for path in _start_programs(venv, run, shown or venv)}
    return tuple(written.values())


def _start_programs(venv: Path, run: Sequence[str], shown: Path) -> Iterator[Path]:
    """Replace each program of the target in ``bin`` by a script; return the scripts.

    The programs are moved to a directory beside ``bin``: some look for their files from where they are.
    """
    for file in sorted((venv / "bin").iterdir()):
        if not file.is_symlink() and not _is_ours(file.name) and _is_elf(file):
            target = venv / _PROGRAMS / file.name
            target.parent.mkdir(exist_ok=True)
            file.rename(target)
            place = shown / file.relative_to(venv), shown / target.relative_to(venv)
            yield _write_starter(file, *place, run)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == _ELF


def _write_starter(path: Path, name: Path, program: Path, run: Sequence[str]) -> Path:
    """Write a script that starts a program by a name, its own."""
    command = shlex.join([*run, _name_option(run), str(name), str(program)])
    return _write_program(path, f'#!/bin/sh\nexec {command} "$@"\n')


def entry_point_code(point: EntryPoint) -> str:
    """Return the program that calls an entry point (``module:attribute``), without its first line."""
    top = point.attr.split(".")[0]
    return (
        "import sys\n"
        f"from {point.module} import {top}\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({point.attr}())\n"
    )


def shebang(interpreter: Path) -> str:
    """Return the first lines of a Python script for ``interpreter``, whatever its path looks like."""
    line = f"#!{interpreter}"
    if " " not in line and len(line.encode()) <= _SHEBANG_BYTES:
        return line + "\n"
    # sh runs the second line; for Python it begins a string that ends on the third.
    return f"#!/bin/sh\n'''exec' {shlex.quote(str(interpreter))} \"$0\" \"$@\"\n' '''\n"


def _configuration(python: TargetPython, home: Path) -> str:
    """Return the text of pyvenv.cfg; the interpreter finds its library by ``home``."""
    return f"home = {home}\ninclude-system-site-packages = false\nversion = {python.version}\n"


def _script_points(packages: Path) -> list[EntryPoint]:
    points = [
        point
        for package in distributions(path=[str(packages)])
        for point in package.entry_points
        if point.group in {"console_scripts", "gui_scripts"} and not _is_ours(point.name)
    ]
    return sorted(points, key=lambda point: point.name)


def _is_ours(name: str) -> bool:
    """Return whether a script's name would replace the launcher or escape ``bin``."""
    return name.startswith(("python", "pypy")) or "/" in name or name in {"", ".", ".."}


def _carry_over(file: Path, target: Path, interpreter: Path, run: Sequence[str]) -> Path:
    """Copy a script or program of ``site-packages/bin`` to ``target``."""
    content = file.read_bytes()
    first, _, rest = content.partition(b"\n")
    target.unlink(missing_ok=True)
    through_sh = rest.startswith(b"'''exec'")
    if first.startswith(b"#!") and (b"python" in first or through_sh):
        rest = rest.split(b"\n", 2)[2] if through_sh else rest
        target.write_bytes(shebang(interpreter).encode() + rest)
        target.chmod(_EXECUTABLE)
    elif content.startswith(_ELF) and run:
        shown, venv = interpreter.parents[1], target.parents[1]
        places = shown / target.relative_to(venv), shown / file.relative_to(venv)
        _write_starter(target, *places, run)
    else:
        shutil.copyfile(file, target)
        target.chmod(_EXECUTABLE)
    return target


def _write_program(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(_EXECUTABLE)
    return path
