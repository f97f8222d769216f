"""Fetch the crates that Cargo.lock pins, or, where a project has none, mpforge's lock."""

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.kinds.inputs import Inputs
from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.plan.pins import Crate, CratesPin, CratesRequest
from mpforge.plan.steps import FetchCrates
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory, FileNode, from_entries

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision, Realize

_LOCKS = "cargo-locks"
"""The directory of the Cargo.lock files that the project lacks, in the step's output."""


class FetchingCrates(Kind[FetchCrates]):
    """Kind of the steps that fetch crates."""

    def seen(self, command: FetchCrates, source: Directory, inputs: Inputs) -> Directory:
        """Return the manifests, and empty files in place of others that must exist."""
        from mpforge.sources import cargo

        return cargo.manifests(source, inputs.read)

    def given(
        self,
        command: FetchCrates,
        trees: Mapping[str, Directory],
        provision: "Provision",
        realize: "Realize",
    ) -> Given:
        """Return its source, with the Cargo.lock that it lacks. Raises what resolving crates raises."""
        from mpforge.obtain.rust import crate_lock

        source, inputs, pins = trees["source"], provision.inputs, provision.pins
        made: dict[str, FileNode] = {}
        for request in crate_requests(source, inputs):

            def resolve(request: CratesRequest = request) -> CratesPin:
                before = (p for p in pins.lock.crates if p.request.manifest == request.manifest)
                return resolved(
                    request,
                    inputs,
                    provision.store,
                    functools.partial(provision.toolbox.rust.cargo, command.rust),
                    prefer=next((pin.packages for pin in before), ()),
                )

            content = crate_lock.text(pins.crates(request, resolve)).encode()
            path = str(Path(request.manifest).with_name(crate_lock.NAME))
            made[path] = FileNode(provision.store.put_bytes(content), len(content))
        if not made:
            return Given(trees)
        return Given({"source": from_entries({**dict(source.walk()), **made})})

    def parts(self, command: FetchCrates, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the parts of the cargo that fetches, and of the user's configuration of it."""
        from mpforge.obtain.rust import cargo_configuration

        parts = provision.toolbox.rust_parts(command.rust, None)
        if not given.trees and provision.pins.lock.crates:
            parts["crates.pins"] = hashlib.sha256(
                repr(provision.pins.lock.crates).encode()
            ).hexdigest()
        return parts | cargo_configuration.user_parts(os.environ)

    def run(self, task: Task, command: FetchCrates, provision: "Provision") -> dict[str, str]:
        """Fetch the crates of Cargo.lock; nothing if the project brings them or needs none."""
        from mpforge.obtain.rust import crate_lock, crates
        from mpforge.sources import cargo

        store, tree = provision.store, task.given.trees["source"]
        directory = task.directory.prepare()
        found = cargo.crates(tree, functools.partial(store.text, tree))
        if found.vendored or not found.wanted:
            return {"crates": "vendored" if found.vendored else "none"}
        store.put_bytes(b"")  # placeholders for source files: cargo looks for their names
        store.restore(tree, directory.source)
        with provision.toolbox.reporter.working("fetching the crates of Cargo.lock"):
            crates.fetch(
                provision.toolbox.rust.cargo(command.rust, directory.root),
                directory.source,
                found.manifests,
                output=directory.output,
                directory=directory.root,
            )
        for manifest in found.manifests:
            path = Path(manifest).with_name(crate_lock.NAME)
            if provision.inputs.files.get(str(path)) is None:
                (directory.output / _LOCKS / path).parent.mkdir(parents=True, exist_ok=True)
                (directory.source / path).rename(directory.output / _LOCKS / path)
        return {"crates": "fetched"}


def crate_requests(source: Directory, inputs: Inputs) -> tuple[CratesRequest, ...]:
    """Return the requests for crates of which no Cargo.lock of the project pins a version."""
    from mpforge.sources import cargo

    return tuple(
        CratesRequest(manifest, cargo.requirements_digest(manifest, source, inputs.read))
        for manifest in cargo.crates(source, inputs.read).to_lock
    )


def resolved(
    request: CratesRequest,
    inputs: Inputs,
    store: BlobStore,
    cargo_in: Callable[[Path], Path],
    *,
    prefer: Sequence[Crate] = (),
) -> CratesPin:
    """Return the newest crates for a request; ``cargo_in`` returns cargo for a directory.

    Raises what obtaining and running cargo raises.
    """
    from mpforge.obtain.rust import crate_lock
    from mpforge.sources import cargo
    from mpforge.store.process_homes import private_directory

    directory = private_directory()
    store.put_bytes(b"")
    store.restore(cargo.manifests(inputs.stored(), inputs.read), directory / "src")
    return crate_lock.resolve(
        request, cargo_in(directory), directory / "src", directory=directory, prefer=prefer
    )


def put_crates(store: BlobStore, crates: Directory, root: Path, source: Path) -> None:
    """Put fetched crates into a step's directory, and Cargo.lock files into a source that lacks them."""
    store.restore(crates, root)
    locks = crates.directories.get(_LOCKS, Directory())
    for path, _ in locks.walk():
        place = source / path
        if place.with_name("Cargo.toml").is_file() and not place.exists():
            (root / _LOCKS / path).rename(place)
