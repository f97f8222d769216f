"""Put the inputs of a build or an sdist into its step's directory: the source, and the packages it needs.

The source is a plain copy, or a clone if the sdist step is to see git.
"""

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.kinds import target_packages
from mpforge.kinds.fetch_crates import put_crates
from mpforge.kinds.narrowed_trees import content_differs
from mpforge.kinds.observed_reads import SOURCE
from mpforge.kinds.registry import kind_of
from mpforge.kinds.task import Task
from mpforge.places import source_reads
from mpforge.places.isolation import isolation
from mpforge.places.step import SOURCE_DATE_EPOCH, StepRun
from mpforge.platforms import by_machine, well_known
from mpforge.sources import git, git_clone
from mpforge.store.files import files_below
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory
from mpforge.toolchains.ready import ReadyCompilers, digest

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision

# --- the source --------------------------------------------------------------------------------


def put_source(task: Task, provision: "Provision", *, vcs: bool) -> None:
    """Put a step's copy of the source in place; for the sdist with git's view of it.

    Files that it reads but whose content is not in its key are observed.
    """
    store, inputs = provision.store, provision.inputs
    tree, directory = task.given.trees["source"], task.directory
    state, place = inputs.vcs if vcs else None, directory.source
    if state is None:
        restore_source(store, tree, place)
        if "source" in task.given.keyed:
            _observe(task)
    else:
        place = git_clone.create(inputs.source.root, state, directory.source)
        store.restore(tree, place)
        git_clone.settle(directory.source, state, place, tree)
        provision.toolbox.tools.host_paths.update(git_clone.borrowed(directory.source))
    if "crates" in task.given.trees:
        put_crates(store, task.given.trees["crates"], directory.root, place)


def _observe(task: Task) -> None:
    tree = task.given.trees["source"]
    nodes = {path: tree.get(path) for path in content_differs(tree, task.given.keyed["source"])}
    watched = source_reads.watch(task.directory.source, nodes)

    def reads_of_source() -> dict[str, str]:
        found = ((path, nodes[path]) for path in watched.read())
        return {f"{SOURCE}{path}": node.digest for path, node in found if node is not None}

    task.observed.add(reads_of_source)


def restore_source(store: BlobStore, tree: Directory, place: Path) -> None:
    """Put a source in place, all files with the same time, so that none is older than its own source.

    Otherwise automake's Makefiles would regenerate their configure script, and Cython its C files.
    """
    store.restore(tree, place)
    settle_times(place)


def settle_times(source: Path) -> None:
    """Give all files of a source the same time."""
    when = int(SOURCE_DATE_EPOCH)
    for path in files_below(source):
        os.utime(source / path, (when, when), follow_symlinks=False)


def source_root(task: Task, provision: "Provision", *, vcs: bool) -> Path:
    """Return the project's path in a step's source: with git's view maybe below the repository's top."""
    source, place = provision.inputs.source, task.directory.source
    if not vcs or source.form != "checkout":
        return place
    top = git.top_level(source.root)
    return place / source.root.relative_to((top or source.root).resolve())


# --- packages ----------------------------------------------------------------------------------


def put_environment(task: Task, provision: "Provision", word: str, wanted: tuple[str, ...]) -> Path:
    """Put a build environment in place; return its interpreter.

    Raises ``HostCannot`` if the host's own packages are to be used and a ``wanted`` one is missing.
    """
    environment, tree = task.directory.environment, task.given.trees.get("environment")
    if tree is None:
        installed = provision.toolbox.installed(word)
        installed.require(wanted, what=task.step.title)
        installed.make_environment(environment)
    elif _is_read_only(task):
        _mount_environment(task, provision, word, tree)
    else:
        _make_environment(provision, word, tree, environment)
        if _has_other_sizes(task):
            from mpforge.obtain.pythons.virtual_environments import site_packages

            target_packages.ask_compiler_for_sizes(site_packages(environment))
    return environment / "bin" / "python"


def _is_read_only(task: Task) -> bool:
    """Return whether a build only reads its environment, in a directory that nobody enters later."""
    command = task.step.command
    writes = "target_environment" in task.given.trees or kind_of(command).writes_environment(
        command
    )
    return isolation().has_root and not (writes or task.keeps or _has_other_sizes(task))


def _has_other_sizes(task: Task) -> bool:
    """Return whether a build is for a machine whose C types have other sizes than this one's."""
    compilers, here = task.step.command.compilers, by_machine(os.uname().machine)
    there = None if compilers is None else well_known()[compilers.target]
    return here is not None and there is not None and here.bits != there.bits


def _mount_environment(task: Task, provision: "Provision", word: str, tree: Directory) -> None:
    """Mount an environment of the tool store in a step's directory: nothing is copied."""
    toolbox = provision.toolbox
    python = toolbox.host_python(word)
    made = toolbox.store.obtain(
        name=f"environment-{word}",
        version=python.version,
        digest=digest(tree.digest(), python.digest, str(python.executable)),
        make=functools.partial(_make_environment, provision, word, tree),
    )
    task.directory.environment.mkdir()
    toolbox.mounted[task.directory.environment] = made.path


def _make_environment(provision: "Provision", word: str, tree: Directory, place: Path) -> None:
    from mpforge.obtain.pythons.virtual_environments import make_skeleton

    make_skeleton(provision.toolbox.host_python(word).executable, place)
    provision.store.restore(tree, place)


def with_target_packages(
    task: Task, provision: "Provision", run: StepRun, ready: ReadyCompilers
) -> tuple[StepRun, ReadyCompilers]:
    """Replace the host's headers and libraries by the target's for a build's hooks."""
    from mpforge.obtain.pythons.virtual_environments import site_packages

    site = site_packages(task.directory.environment)
    libraries = target_packages.graft(put_target_packages(task, provision), site)
    run, ready = with_descriptions(task, provision, run, ready)
    flags = [*(f"-L{folder}" for folder in libraries), ready.hooks.get("LDFLAGS", "")]
    hooks = {**ready.hooks, "LDFLAGS": " ".join(filter(None, flags))}
    if (openmp := target_packages.openmp(site)) is not None:
        hooks["MPFORGE_OPENMP"] = str(openmp)  # where the wrappers look for -fopenmp
    return run, dataclasses.replace(ready, hooks=hooks)


def with_descriptions(
    task: Task, provision: "Provision", run: StepRun, ready: ReadyCompilers
) -> tuple[StepRun, ReadyCompilers]:
    """Let a build's pkg-config find the ``.pc`` files of the packages in its environment."""
    from mpforge.obtain.pythons.virtual_environments import site_packages

    environment = task.directory.environment
    on_host = provision.toolbox.mounted.get(environment, environment)
    found = target_packages.descriptions(site_packages(on_host))
    known = run.environment.get("PKG_CONFIG_PATH", "")
    folders = [str(environment / path.relative_to(on_host)) for path in found]
    more = {"PKG_CONFIG_PATH": os.pathsep.join([*folders, *filter(None, [known])])}
    return (
        dataclasses.replace(run, environment={**run.environment, **more}),
        dataclasses.replace(ready, hooks={**ready.hooks, **more}),
    )


def put_target_packages(task: Task, provision: "Provision") -> Path:
    """Put the target's packages in place in a step's directory; return their path."""
    place = task.directory.root / "target-env"
    provision.store.restore(task.given.trees["target_environment"], place)
    return place
