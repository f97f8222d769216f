"""Fetch the crates that Cargo.lock pins."""

import functools
import os
from typing import TYPE_CHECKING

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.plan.steps import FetchCrates
from mpforge.store.trees import Directory

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision


class FetchingCrates(Kind[FetchCrates]):
    """Kind of the steps that fetch crates."""

    def seen(self, command: FetchCrates, source: Directory, inputs: Inputs) -> Directory:
        """Return the manifests, and empty files in place of others that must exist."""
        from mpforge.sources import cargo

        return cargo.manifests(source, inputs.read)

    def parts(self, command: FetchCrates, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the cargo that fetches, and of the user's configuration of it."""
        from mpforge.obtain.rust import cargo_configuration

        parts = provision.toolbox.rust_parts(command.rust, None)
        return parts | cargo_configuration.user_parts(os.environ)

    def run(self, task: Task, command: FetchCrates, provision: "Provision") -> dict[str, str]:
        """Fetch the crates of Cargo.lock; nothing if the project brings them or needs none."""
        from mpforge.obtain.rust import crates
        from mpforge.sources import cargo

        store, tree = provision.store, task.given.trees["source"]
        directory = task.directory.prepare()
        found = cargo.crates(tree, functools.partial(store.text, tree))
        if found.vendored or not found.wanted:
            if found.unpinned is not None and not found.vendored:
                raise cargo.no_lock(found.unpinned)
            return {"crates": "vendored" if found.vendored else "none"}
        store.put_bytes(b"")  # placeholders for source files: cargo looks for their names
        store.restore(tree, directory.source)
        with provision.toolbox.working("fetching the crates of Cargo.lock"):
            crates.fetch(
                provision.toolbox.rust.cargo(command.rust, directory.root),
                directory.source,
                found.manifests,
                output=directory.output,
                directory=directory.root,
            )
        return {"crates": "fetched"}
