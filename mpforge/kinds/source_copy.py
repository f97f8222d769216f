"""Make a step's own copy of the source: plain, or a clone if the sdist step is to see git."""

import os
from dataclasses import dataclass
from pathlib import Path

from mpforge.kinds.inputs import Inputs, content_differs
from mpforge.kinds.observed_reads import SOURCE
from mpforge.kinds.task import Task
from mpforge.places import source_reads
from mpforge.places.step import SOURCE_DATE_EPOCH, StepDirectory
from mpforge.sources import git, git_clone
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory


@dataclass(frozen=True)
class SourceCopy:
    """Puts a session's source, and the crates that go with it, into the directories of steps."""

    store: BlobStore
    inputs: Inputs

    def put(self, task: Task, *, vcs: bool) -> None:
        """Put a step's copy of the source in place; for the sdist with git's view of it.

        Files that it reads but whose content is not in its key are observed.
        """
        tree, directory = task.given.trees["source"], task.directory
        if "crates" in task.given.trees:
            self.store.restore(task.given.trees["crates"], directory.root)
        state = self.inputs.vcs if vcs else None
        if state is None:
            self.restore(tree, directory.source)
            if "source" in task.given.keyed:
                self._observe(task)
            return
        place = git_clone.create(self.inputs.source.root, state, directory.source)
        self.store.restore(tree, place)
        git_clone.settle(directory.source, state, place, tree)

    def _observe(self, task: Task) -> None:
        tree = task.given.trees["source"]
        nodes = {path: tree.get(path) for path in content_differs(tree, task.given.keyed["source"])}
        watched = source_reads.watch(task.directory.source, nodes)

        def teller() -> dict[str, str]:
            found = ((path, nodes[path]) for path in watched.read())
            return {f"{SOURCE}{path}": node.digest for path, node in found if node is not None}

        task.observed.add(teller)

    def restore(self, tree: Directory, place: Path) -> None:
        """Put a source in place, all files with the same time, so that none is older than its own source.

        Otherwise automake's Makefiles would regenerate their configure script, and Cython its C files.
        """
        self.store.restore(tree, place)
        when = int(SOURCE_DATE_EPOCH)
        for path, node in tree.walk():
            if not isinstance(node, str):
                os.utime(place / path, (when, when))

    def root(self, directory: StepDirectory, *, vcs: bool) -> Path:
        """Return the project's path in it: with git's view maybe below the repository's top."""
        source = self.inputs.source
        if not vcs or source.form != "checkout":
            return directory.source
        top = git.top_level(source.root)
        return directory.source / source.root.relative_to((top or source.root).resolve())
