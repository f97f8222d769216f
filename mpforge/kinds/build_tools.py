"""Provide a build's compilers and emulator, and the variables, config settings and placeholders for them.

Runs nothing.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mpforge.kinds import library_inputs
from mpforge.kinds.task import Task
from mpforge.places.step import StepDirectory
from mpforge.plan.steps import BuildWheel, Settings, Step
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.toolchains import machine_files
from mpforge.toolchains.ready import Language, ReadyCompilers

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision

_CPLUSPLUS = (".cc", ".cpp", ".cxx", ".c++", ".C", ".hpp", ".hh")
_CPLUSPLUS_CYTHON = (b"language = c++", b"language=c++", b"language: c++", b"libcpp")


def make_ready(
    task: Task, provision: "Provision", compilers: Compilers, *, builds: bool = True
) -> ReadyCompilers:
    """Return compilers for a step's build, its libraries, and an emulator if it may run what it makes.

    Without ``builds`` it compiles nothing: the libraries for its languages and the emulator are left out.
    """
    from mpforge.toolchains import target_view

    root = task.directory.root
    libraries = library_inputs.put(task.given.trees, provision.store, root)
    wanted = languages(task.given.trees["source"], provision.store) if builds else ()
    if wanted and library_inputs.is_cplusplus(libraries):
        wanted = ("c", "c++")
    found = provision.toolbox.compilers(compilers, wanted, root, compiler_flags(task.step))
    found = library_inputs.joined(found, libraries)
    if compilers.configurer == "cmake":
        # CMake 4 refuses projects that ask for a version below 3.5, as many older ones do.
        old = {"CMAKE_POLICY_VERSION_MINIMUM": "3.5"}
        found = dataclasses.replace(found, variables={**found.variables, **old})
    if not builds or compilers.emulator is None or found.view is None:
        return found
    machine = provision.machines().for_build(compilers.emulator)
    if machine is None or machine.emulator is None:
        return found
    runs = target_view.emulation(
        found.view, emulator=machine.emulator.path, sysroot=machine.sysroot, cpu=machine.cpu
    )
    return dataclasses.replace(found, variables={**found.variables, **runs})


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
    known |= library_inputs.placeholders(directory.root)
    run = "" if ready is None else ready.variables.get("MPFORGE_RUN", "")
    if run or not compilers.cross:
        known["run"] = run
    if (files := _meson_files(compilers, ready)) is not None:
        known["cross_file"], known["native_file"] = files
    return known


def _meson_files(
    compilers: Compilers | None, ready: ReadyCompilers | None
) -> tuple[str, str] | None:
    """Return Meson's cross file and native file of a build for a target; None: it is for its own machine."""
    if compilers is None or not compilers.cross or ready is None or ready.view is None:
        return None
    emulated = "MPFORGE_RUN" in ready.variables
    cross = machine_files.MESON_EMULATED if emulated else machine_files.MESON_CROSS
    return str(ready.view / cross), str(ready.view / machine_files.MESON_BUILD)


def config_settings(command: BuildWheel, ready: ReadyCompilers | None) -> Settings:
    """Return a build's config settings: Meson's about the target, then the spec's."""
    compilers, files = command.compilers, _meson_files(command.compilers, ready)
    if compilers is None or compilers.configurer != "meson" or files is None:
        return command.config_settings
    ours = (f"--cross-file={files[0]}", f"--native-file={files[1]}")
    given = dict(command.config_settings)
    return (*{**given, "setup-args": (*ours, *given.get("setup-args", ()))}.items(),)


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
