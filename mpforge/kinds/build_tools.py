"""Provide a build's compilers and emulator, and the variables, config settings and placeholders for them.

Runs nothing.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mpforge.kinds.target_machines import Machines
from mpforge.kinds.task import Task
from mpforge.kinds.toolbox import Toolbox
from mpforge.places.step import StepDirectory, StepRun
from mpforge.plan.steps import BuildWheel, Step
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.toolchains import machine_files
from mpforge.toolchains.ready import Language, ReadyCompilers

Settings = tuple[tuple[str, tuple[str, ...]], ...]
"""Config settings (PEP 517), each with its values."""

_CPLUSPLUS = (".cc", ".cpp", ".cxx", ".c++", ".C", ".hpp", ".hh")
_CPLUSPLUS_CYTHON = (b"language = c++", b"language=c++", b"language: c++", b"libcpp")


@dataclass(frozen=True)
class BuildTools:
    """Prepares the compilers and emulators of a session's builds."""

    store: BlobStore
    toolbox: Toolbox
    machines: Machines

    def ready(self, task: Task, compilers: Compilers, source: Directory) -> ReadyCompilers:
        """Return compilers for a build of this source, and an emulator if it may run what it makes."""
        from mpforge.toolchains import target_view

        root, flags = task.directory.root, compiler_flags(task.step)
        ready = self.toolbox.compilers(compilers, languages(source, self.store), root, flags)
        if compilers.emulator is None or ready.view is None:
            return ready
        machine = self.machines.for_build(compilers.emulator)
        if machine is None or machine.emulator is None:
            return ready
        runs = target_view.emulation(
            ready.view,
            emulator=machine.emulator.path,
            sysroot=machine.sysroot,
            cpu=machine.cpu,
        )
        return dataclasses.replace(ready, variables={**ready.variables, **runs})


def placeholders(
    compilers: Compilers, directory: StepDirectory, ready: ReadyCompilers | None
) -> dict[str, str]:
    """Return the placeholders that the spec's commands may use in a build by these compilers."""
    platform = well_known()[compilers.target]
    known = {
        "project": str(directory.source),
        "package": str(directory.source),
        "dest_dir": str(directory.output),
        "build_dir": str(directory.root / "build"),
        "triple": platform.gnu_triple,
        "arch": platform.machine,
        "policy": compilers.policy,
        "target": compilers.target,
    }
    run = "" if ready is None else ready.variables.get("MPFORGE_RUN", "")
    if run or not compilers.cross:
        known["run"] = run
    if ready is not None and ready.view is not None and compilers.cross:
        emulated = machine_files.MESON_EMULATED if run else machine_files.MESON_CROSS
        known["cross_file"] = str(ready.view / emulated)
        known["native_file"] = str(ready.view / machine_files.MESON_BUILD)
    return known


def config_settings(command: BuildWheel, ready: ReadyCompilers | None) -> Settings:
    """Return a build's config settings: Meson's about the target, then the spec's."""
    compilers = command.compilers
    if ready is None or ready.view is None or compilers is None:
        return command.config_settings
    if not (compilers.cross and compilers.configurer == "meson"):
        return command.config_settings
    emulated = "MPFORGE_RUN" in ready.variables
    cross = machine_files.MESON_EMULATED if emulated else machine_files.MESON_CROSS
    ours = (
        f"--cross-file={ready.view / cross}",
        f"--native-file={ready.view / machine_files.MESON_BUILD}",
    )
    given = dict(command.config_settings)
    return (*{**given, "setup-args": (*ours, *given.get("setup-args", ()))}.items(),)


def show_view_to_uv(directory: StepDirectory, extra: Mapping[str, str]) -> None:
    """Set the target's view for uv: it asks the interpreter with ``-I``, which ignores PYTHONPATH."""
    from mpforge.obtain.pythons.virtual_environments import site_packages

    if view := extra.get("PYTHONPATH"):
        (site_packages(directory.environment) / "mpforge_view.pth").write_text(f"{view}\n", "utf-8")


def hook_variables(ready: ReadyCompilers | None, step: Step, run: StepRun) -> dict[str, str]:
    """Return the variables of build hooks beside the step's; the spec's compiler flags come last."""
    if ready is None:
        return {}
    given = with_variables(ready.hooks, step, run.fill)
    return {name: given[name] for name in ready.hooks}


def compiler_flags(step: Step) -> tuple[str, ...]:
    """Return the compiler flags from the spec, without its placeholders."""
    given = [t for name, t in step.variables.values if name in ("CFLAGS", "CXXFLAGS", "LDFLAGS")]
    return tuple(part for text in given for part in text if isinstance(part, str))


# In these, the spec's value is put behind mpforge's own by this separator; it replaces all others.
_JOINED = {
    **dict.fromkeys(("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MATURIN_PEP517_ARGS"), " "),
    **dict.fromkeys(("PKG_CONFIG_PATH", "PYTHONPATH"), os.pathsep),
}


def with_variables(
    environment: Mapping[str, str], step: Step, fill: Callable[..., str]
) -> dict[str, str]:
    """Return a step's environment with the spec's variables; flags and paths are appended."""
    result = dict(environment)
    for name, written in step.variables.values:
        result[name] = joined(result, name, fill(written))
    for name in (*step.variables.passed, *step.variables.secrets):
        if name in os.environ:
            result[name] = os.environ[name]
    return result


def joined(environment: Mapping[str, str], name: str, value: str) -> str:
    """Return a variable's value with ``value`` added: flags and paths are appended to the old value."""
    there = environment.get(name) if name in _JOINED else None
    return f"{there}{_JOINED[name]}{value}" if there else value


def languages(source: Directory, store: BlobStore) -> tuple[Language, ...]:
    """Return the languages that a source needs a compiler for: C, and C++ if a file indicates it."""
    for path, node in source.walk():
        if path.endswith(_CPLUSPLUS):
            return ("c", "c++")
        if path.endswith((".pyx", ".pxd")) and not isinstance(node, str):
            text = store.read(node.digest)
            if any(mark in text for mark in _CPLUSPLUS_CYTHON):
                return ("c", "c++")
    return ("c",)
