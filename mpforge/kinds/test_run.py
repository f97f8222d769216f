"""Run a target's tests: an environment for them, the user's commands, the proof of the machine.

Tests run in a directory that holds the test sources only, against the shipped wheel installed from the host
side. At the end of the chain the machine and the CPU model are read back: a green run on another machine than
planned fails. Knows nothing of keys and stores.
"""

import functools
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts import wheels
from mpforge.errors import (
    ImportedElsewhere,
    RuntimeFull,
    RuntimeLost,
    StepFailed,
    StepTimeout,
    TestsFailed,
    WrongMachine,
)
from mpforge.kinds import illegal_instruction, test_guard
from mpforge.obtain.emulators import Emulator
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.places import cpu_probe, emulated_uname, interpreter_launcher
from mpforge.places.place import Place
from mpforge.places.step import StepDirectory, StepRun
from mpforge.plan.places import Machine
from mpforge.plan.steps import RunTests
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine
from mpforge.platforms import Platform, well_known

# An extension module in a package of tests is loaded without that package if the package needs what
# only tests need (greenlet.tests needs psutil): it may not be installed. A file that is named as
# an extension module and has no init function is a library that the package itself loads (pycryptodome's).
# One that wants a module of the standard library which this Python was made without (tkinter of Debian's)
# is loaded with all its symbols, which is all that this Python can check.
_IMPORT = """\
import ctypes, importlib, importlib.util, os, sys
print("importing on", os.uname().machine, "with Python", sys.version.split()[0])

def alone(name, path):
    spec = importlib.util.spec_from_file_location(name, os.path.join({site!r}, path))
    spec.loader.exec_module(importlib.util.module_from_spec(spec))

def is_module(path):
    with open(os.path.join({site!r}, path), "rb") as file:
        return b"PyInit" in file.read()

for name, path in {modules!r}.items():
    if path and not is_module(path):
        ctypes.CDLL(os.path.join({site!r}, path))
        print("loaded", path, "which is no module")
        continue
    try:
        importlib.import_module(name)
        print("imported", name)
    except ModuleNotFoundError as error:
        package = name.rpartition(".")[0]
        shipped = error.name is None or error.name.partition(".")[0] in {tops!r}
        if shipped:
            raise
        if path and error.name.partition(".")[0] in getattr(sys, "stdlib_module_names", ()):
            ctypes.CDLL(os.path.join({site!r}, path), mode=os.RTLD_NOW)
            wants = "it wants " + error.name + ", which this Python lacks"
            print("loaded", name + ", but did not import it:", wants)
            continue
        if not {{"tests", "test"}} & set(package.split(".")):
            what = "which neither the wheel nor [test] requires"
            print(name, "wants", error.name + ",", what, file=sys.stderr)
            raise
        alone(name, path)
        print("imported", name, "without", package + ", which wants", error.name)
"""


@dataclass(frozen=True)
class Scene:
    """The surroundings of a test: directory, machine, interpreter, place."""

    directory: StepDirectory
    machine: Machine
    emulator: Emulator | None
    python: TargetPython | None
    sysroot: Path
    compile_with: Path | None
    place: Place

    @property
    def model(self) -> str | None:
        """The emulator's CPU model that tests see, or None."""
        return self.machine.cpu if self.machine.emulated else None

    def to_place_path(self, path: Path) -> Path:
        """Return a path as it is called inside the place of the tests."""
        return Path(self.place.to_place_paths(str(path)))

    @property
    def evidence(self) -> Path:
        """The file to which the interpreters of the tests write their evidence."""
        return self.directory.root / "evidence"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the command prefix that runs a program of the target here."""
        return interpreter_launcher.run_prefix(self.emulator, cpu=self.model, sysroot=self.sysroot)

    @property
    def platform(self) -> Platform:
        """The target."""
        return well_known()[self.machine.target]

    @property
    def shipped(self) -> Path:
        """The directory of the shipped files."""
        return self.directory.root / "shipped"

    @property
    def wheel(self) -> Path:
        """The shipped wheel, in a test with a Python."""
        return next(iter(self.shipped.rglob("*.whl")))

    @property
    def site(self) -> Path:
        """The test environment's site-packages, in a test with a Python."""
        if self.python is None:
            raise AssertionError("no Python in this test")
        return interpreter_launcher.site_packages(self.directory.environment, self.python.python)


def prepare(scene: Scene, posargs: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Lay out the environment; return the placeholders' values and the directories for PATH."""
    directory = scene.directory.prepare()
    directory.source.mkdir(exist_ok=True)
    platform = scene.platform
    placeholders = {
        "project": str(directory.source),
        "package": str(directory.source),
        "dest_dir": str(scene.shipped),
        "run": shlex.join(scene.prefix),
        "target": platform.name,
        "arch": platform.machine,
        "triple": platform.gnu_triple,
        "posargs": shlex.join(posargs),
    }
    path: tuple[str, ...] = ()
    if scene.emulator is not None:
        programs = emulated_uname.write_programs(directory.root / "machine", platform.machine)
        path = (str(programs),)
    if scene.python is None:
        return placeholders, path
    python = _python_environment(scene, scene.python)
    placeholders |= {"python": str(python), "wheel": str(scene.wheel)}
    return placeholders, (str(python.parent), *path)


def _python_environment(scene: Scene, target_python: TargetPython) -> Path:
    from mpforge.obtain.packages.installation import install_wheel

    environment, wheel = scene.directory.environment, scene.wheel
    scene.site.mkdir(parents=True, exist_ok=True)
    install_wheel(
        wheel,
        environment,
        python=target_python.python,
        platform=scene.machine.target,
        host_python=scene.compile_with,
        native=target_python.provider == "host",
    )
    python = interpreter_launcher.write_launcher(  # after packages, which may install a python
        environment,
        python=target_python,
        emulator=scene.emulator,
        cpu=scene.model if scene.emulator or scene.place.emulation(scene.model) else None,
        shown=scene.to_place_path(environment),
    )
    interpreter_launcher.write_entry_points(
        environment, run=scene.prefix, shown=scene.to_place_path(environment)
    )
    test_guard.write_guard(
        scene.site,
        evidence=scene.to_place_path(scene.evidence),
        modules=top_level_modules(wheel),
        executable=str(scene.to_place_path(python)) if scene.place.emulation(scene.model) else None,
        emulated=scene.machine.emulated,
    )
    return python


def run(step: StepRun, scene: Scene, command: RunTests, posargs: tuple[str, ...]) -> dict[str, str]:
    """Run the tests and prove where they ran; return the facts reported at the end of the chain.

    Raises ``TestsFailed``, ``IllegalInstruction``, ``ImportedElsewhere``, ``WrongMachine``, ``StepTimeout``,
    and what a container's runtime adds.
    """
    lines = [*command.before, *with_posargs(command.commands, posargs)]
    for line in lines:
        call = functools.partial(StepRun.command, line=line, cwd=scene.directory.source)
        _try(step, scene, call)
    if not command.commands:
        _try(step, scene, functools.partial(_import, scene=scene))
    step.let_in()
    if scene.python is None:
        return {"machine": scene.machine.target, "cpu": scene.machine.cpu or ""}
    facts = _probed(step, scene)
    _check(step, scene, facts)
    return facts


def _try(step: StepRun, scene: Scene, call: Callable[[StepRun], None]) -> None:
    """Run one of the tests' commands. Raises as ``run``."""
    try:
        call(step)
    except (StepTimeout, RuntimeFull, RuntimeLost):
        raise
    except StepFailed as error:
        failed = illegal_instruction.suspected(error, emulated=scene.machine.emulated)
        if failed is None:
            raise TestsFailed(error.what, why=error.why, hint=error.hint) from None
        known = illegal_instruction.Surroundings(
            cpu=scene.model,
            machine=scene.platform.machine,
            sysroot=scene.sysroot,
            directory=scene.directory.source,
            wheel=next(scene.shipped.rglob("*.whl"), None),
            site=None if scene.python is None else scene.site,
        )
        raise illegal_instruction.located(failed, step, call, known) from None


def with_posargs(commands: tuple[CommandLine, ...], posargs: tuple[str, ...]) -> list[CommandLine]:
    """Return the commands with ``{posargs}`` added to the last one, unless one of them has it."""
    lines = list(commands)
    if not lines or not posargs or any(_has_posargs(line) for line in lines):
        return lines
    last = lines[-1]
    if isinstance(last, ShellLine):
        lines[-1] = ShellLine((*last.text, " ", Placeholder("posargs")))
    else:
        lines[-1] = Argv((*last.words, *((word,) for word in posargs)))
    return lines


def _has_posargs(line: CommandLine) -> bool:
    parts = line.text if isinstance(line, ShellLine) else [p for w in line.words for p in w]
    return any(isinstance(part, Placeholder) and part.name == "posargs" for part in parts)


def _import(step: StepRun, scene: Scene) -> None:
    text = import_script(scene.wheel, scene.to_place_path(scene.site))
    script = scene.directory.root / "import_all.py"
    script.write_text(text, encoding="utf-8")
    step.lend(script)
    step.call([step.placeholders["python"], str(script)], cwd=scene.directory.source)


def import_script(wheel: Path, site: Path) -> str:
    """Return a program that imports an installed wheel's extension modules, else its packages."""
    tops = top_level_modules(wheel)
    modules = dict(extension_modules(wheel)) or dict.fromkeys(_public(tops), "")
    return _IMPORT.format(modules=modules, tops=tops, site=str(site))


def _public(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a user would import; all of them if every one is private.

    Without its extension, pyyaml's ``_yaml`` refuses to be imported, and is right.
    """
    return tuple(name for name in modules if not name.startswith("_")) or modules


def extension_modules(wheel: Path) -> tuple[tuple[str, str], ...]:
    """Return the dotted names of a wheel's extension modules and their files in it, sorted.

    A shared object counts if its name ends as an extension module's does (PEP 3149, ``.abi3.so``, or plain
    ``.so`` beside Python files) and every folder above it is a package's name. ``__init__`` is the package
    itself (Cython's and mypyc's).
    """
    names = wheels.names(wheel)
    found = set()
    for name in names:
        *folders, file = name.split("/")
        stem, _, rest = file.partition(".")
        tagged = rest.startswith(("cpython-", "pypy", "abi3")) and rest.endswith("so")
        plain = rest == "so" and (not folders or f"{'/'.join(folders)}/__init__.py" in names)
        if (tagged or plain) and stem.isidentifier() and all(f.isidentifier() for f in folders):
            package = stem == "__init__" and folders
            found.add((".".join(folders if package else [*folders, stem]), name))
    return tuple(sorted(found))


def top_level_modules(wheel: Path) -> tuple[str, ...]:
    """Return the names that a wheel installs at the top of site-packages, sorted."""
    found = set()
    for name in wheels.names(wheel):
        head, slash, _ = name.partition("/")
        if slash and head.isidentifier():
            found.add(head)
        elif not slash and head.endswith((".py", ".so")):
            found.add(head.split(".", 1)[0])
    return tuple(sorted(found))


def _probed(step: StepRun, scene: Scene) -> dict[str, str]:
    """Ask the end of the chain for its machine: once as the tests saw it, once with nothing set."""
    answer = scene.directory.root / "probe.json"
    probe = scene.directory.root / "cpuprobe.py"
    shutil.copyfile(cpu_probe.__file__, probe)
    step.lend(probe)
    line = f'"{step.placeholders["python"]}" "{probe}" > "{answer}"'
    step.call(["/bin/sh", "-e", "-c", line], cwd=scene.directory.source)
    step.bring_back(answer)
    try:
        facts = cpu_probe.parse(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongMachine(
            f"{step.title}: the CPU probe reported nothing", why=str(error)
        ) from None
    wanted = scene.model
    for seen, how in (
        (facts, "in the tests' environment"),
        (facts["bare"], "with an empty environment"),
    ):
        if seen["machine"] != step.placeholders["arch"]:
            raise WrongMachine(
                f"{step.title}: the tests should have run on {step.placeholders['arch']}",
                why=f"{how}, the interpreter reports {seen['machine']}",
            )
        if wanted is not None and not cpu_probe.model_matches(wanted, seen):
            raise WrongMachine(
                f"{step.title}: the CPU model should have been {wanted}",
                why=f"{how}, the CPU is {cpu_probe.describe(seen)}",
            )
    step.note(f"read back: machine {facts['machine']}, CPU {cpu_probe.describe(facts)}")
    return {"machine": str(facts["machine"]), "cpu": wanted or cpu_probe.describe(facts)}


def _check(step: StepRun, scene: Scene, facts: Mapping[str, str]) -> None:
    step.bring_back(scene.evidence)
    told = test_guard.read_evidence(scene.evidence)
    if not told.processes:  # the probe is one
        raise WrongMachine(f"{step.title}: no Python of the tests reported where it ran")
    if told.foreign_imports:
        rows = [f"{module} from {file}" for module, file in told.foreign_imports]
        raise ImportedElsewhere(
            f"{step.title}: the tests did not import the package from the wheel",
            why="\n".join(rows),
            hint="keep the package out of [test] sources, or remove what puts it on sys.path",
        )
    others = [machine for machine in told.machines if machine != facts["machine"]]
    if others:
        raise WrongMachine(
            f"{step.title}: a process of the tests ran on {', '.join(others)}",
            why=f"{facts['machine']} was planned",
        )
    step.note(f"{told.processes} Python processes, all on {facts['machine']}")
