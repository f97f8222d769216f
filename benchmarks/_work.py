"""Pieces of work that budgets.py measures in processes of their own: ``python _work.py NAME IDLE [ARG...]``.

With ``IDLE`` = ``idle`` the process stops before the work, so that what is left is starting and importing.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def hash_sources(arguments: Sequence[str]) -> Callable[[], object]:
    """The tree of a project's files and its digest, with what is remembered of them."""
    from mpforge.kinds.inputs import Inputs
    from mpforge.sources.project import locate
    from mpforge.store.local import Store

    root = Path(arguments[0])

    def work() -> str:
        store = Store(root.with_name("store"))
        source = locate(root, ".", "multiplatform.toml")
        return Inputs(source, store, root / ".mpforge" / "fingerprints").files.digest()

    return work


def compile_sessions(arguments: Sequence[str]) -> Callable[[], object]:
    """A spec's plan, from its text."""
    from mpforge.compiler.compile import compile_plan
    from mpforge.compiler.index import compile_index
    from mpforge.plan.facts import HostFacts, ProjectFacts
    from mpforge.plan.pins import Lock
    from mpforge.spec.load import load_spec

    text = Path(arguments[0]).read_text("utf-8")
    host = HostFacts(platform="x86_64", system="Linux x86_64")
    facts = ProjectFacts("tree", "setuptools.build_meta", in_tree=False, requires=("setuptools",))

    def work() -> int:
        spec = load_spec(text, file="multiplatform.toml")
        compile_index(spec, "key")
        return len(compile_plan(spec, host, facts, Lock()).sessions)

    return work


def put(arguments: Sequence[str]) -> Callable[[], object]:
    """A directory into a store; prints the tree's digest."""
    from mpforge.store.local import Store

    return lambda: print(Store(Path(arguments[0])).put_directory(Path(arguments[1])).digest())


def restore(arguments: Sequence[str]) -> Callable[[], object]:
    """A tree out of a store, verified."""
    from mpforge.store.local import Store

    store = Store(Path(arguments[0]))
    return lambda: store.restore(store.tree(arguments[1]), Path(arguments[2]))


def digest(arguments: Sequence[str]) -> Callable[[], object]:
    """One sha256 pass over the files of a directory."""

    def work() -> None:
        for path in Path(arguments[0]).iterdir():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")

    return work


KINDS = {kind.__name__: kind for kind in (hash_sources, compile_sessions, put, restore, digest)}


if __name__ == "__main__":
    name, idle, *rest = sys.argv[1:]
    prepared = KINDS[name](rest)
    if idle != "idle":
        prepared()
