"""Compile the plan of a workspace, or load it from ``.mpforge/``.

A kept plan is found by the digest of everything it was compiled from, so a cached session needs neither
pydantic nor a compilation.
"""

import contextlib
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.engine.auto_pythons import narrowed_to
from mpforge.engine.host_facts import host_facts
from mpforge.engine.load_index import content, own_version, text_of
from mpforge.errors import SpecInvalid, TomlInvalid, WrongInput
from mpforge.formats.toml import read_toml
from mpforge.kinds.inputs import Inputs
from mpforge.lock import lock_file
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.plan.codec import decode, encode
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.sessions import Plan
from mpforge.sources.project import Project, locate
from mpforge.store import notes
from mpforge.store.files import hash_file
from mpforge.store.local import opened
from mpforge.store.protocols import SessionStore
from mpforge.workspace import Workspace, require_cache

if TYPE_CHECKING:
    from mpforge.engine.requirement_files import Listing
    from mpforge.spec.model import Spec

PLAN = "plan.json"
ABSENT = "(absent)"
"""Stands for the digest of a file that does not exist."""

_READ = (
    *("pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO", "hatch.toml", "pdm_build.py"),
    *("Cargo.toml", "rust-toolchain.toml", "rust-toolchain"),
)


@dataclass(frozen=True)
class Compiled:
    """A workspace's plan, its source, and the host interpreters that were found, by word.

    ``lock`` is the content of the lock that the plan was compiled with, None if there was no file.
    """

    plan: Plan
    inputs: Inputs
    store: SessionStore
    lock: bytes | None
    pythons: dict[str, HostPython] = field(default_factory=dict)


def seen_or_compiled(workspace: Workspace, seen: dict[Workspace, Compiled]) -> Compiled:
    """Return what the session before found, from ``seen``, or compile again if the lock has changed.

    Raises as ``compiled``.
    """
    former = seen.pop(workspace, None)
    same = former is not None and former.lock == lock_file.content(workspace.lock)
    return former if former is not None and same else compiled(workspace)


def compiled(workspace: Workspace) -> Compiled:
    """Return the plan of a workspace on this host, and its source.

    Raises ``SpecInvalid``, ``SourceMissing``, ``LockInvalid``, and what reading the source raises.
    """
    require_cache(workspace.cache)
    data, lock = content(workspace), lock_file.content(workspace.lock)
    text = text_of(data, workspace)
    store = opened(workspace.cache / "store")
    inputs = source_of(workspace, text, store)
    host = host_facts(workspace.cache, text)
    key = _key(data, lock, inputs, host)
    plan = _kept_plan(workspace, key, requirements_base(workspace, inputs))
    if plan is None:
        plan, _, read = _compile(workspace, text, inputs, host)
        noted = {"schema": 4, "key": key, "plan": encode(plan), "read": read}
        notes.keep(workspace.state / PLAN, noted)
    return Compiled(plan, inputs, store, lock)


def facts_here(workspace: Workspace) -> HostFacts:
    """Return the facts about this host that the workspace's spec asks for."""
    return host_facts(workspace.cache, text_of(content(workspace), workspace))


def _digest(path: Path) -> str:
    return hash_file(path).digest if path.is_file() else ABSENT


def requirements_base(workspace: Workspace, inputs: Inputs) -> Path:
    """Return the base of requirements' paths: the project's directory; for a packed sdist, the spec's."""
    return inputs.source.root if inputs.source.root.is_dir() else workspace.root


def source_of(workspace: Workspace, text: str, store: SessionStore) -> Inputs:
    """Return the source that a spec names. Raises ``SourceMissing``, ``WrongInput``."""
    source = locate(workspace.root, _source_word(text, workspace), workspace.spec.name)
    return Inputs(_without_cache(source, workspace), store, workspace.state / "fingerprints")


def facts_of(
    workspace: Workspace, spec: "Spec", inputs: Inputs, *, wheel: bool
) -> "tuple[ProjectFacts, Listing]":
    """Return the project's build facts and the expanded requirements of the spec.

    Raises ``SourceMissing``, ``WrongInput``.
    """
    from mpforge.engine.project_facts import project_facts
    from mpforge.engine.requirement_files import Listing

    project = project_facts(inputs, wheel=wheel)
    listing = Listing(requirements_base(workspace, inputs), project).add_all(spec)
    return replace(project, listed=tuple(listing.listed.values())), listing


def _without_cache(source: Project, workspace: Workspace) -> Project:
    """Exclude our cache from a source that has it at its top. Raises ``WrongInput`` if it is deeper."""
    if not workspace.cache.is_relative_to(source.root):
        return source
    inside = workspace.cache.relative_to(source.root).parts
    if len(inside) != 1:
        raise WrongInput(
            f"the cache is inside the project's source: {workspace.cache}",
            why="it would be an input of every build",
            hint="set MPFORGE_CACHE to a directory outside the source, or to one at its top level",
        )
    return replace(source, own=(*source.own, inside[0]))


def _kept_plan(workspace: Workspace, key: str, base: Path) -> Plan | None:
    """Return the kept plan if it has this key and the files of requirements are unchanged, else None."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        kept = notes.load(workspace.state / PLAN)
        if kept["key"] == key and all(_digest(base / p) == d for p, d in kept["read"].items()):
            return decode(Plan, kept["plan"])
    return None


def plan_on(workspace: Workspace, host: HostFacts) -> tuple[Plan, dict[str, str]]:
    """Return the plan for another host, and each target's platform. Raises as ``compiled``."""
    found = compiled(workspace)
    text = text_of(content(workspace), workspace)
    plan, platforms, _ = _compile(workspace, text, found.inputs, host)
    return plan, platforms


def _compile(
    workspace: Workspace, text: str, inputs: Inputs, host: HostFacts
) -> tuple[Plan, dict[str, str], dict[str, str]]:
    """Compile a plan; return it, each target's platform, and digests of the requirement files read."""
    from mpforge.compiler.compile import compile_plan
    from mpforge.spec.load import find_problems, load_spec
    from mpforge.spec.options import targets

    spec = load_spec(text, file=workspace.spec.name)
    spec, _ = narrowed_to(spec, requirements_base(workspace, inputs))
    every = targets(spec)
    wheel = any(target.pythons for target in every)
    project, listing = facts_of(workspace, spec, inputs, wheel=wheel)
    if listing.findings:
        file = workspace.spec.name
        raise SpecInvalid(find_problems(text, file=file, beside=lambda _spec: listing.findings))
    plan = compile_plan(spec, host, project, lock_file.read(workspace.lock))
    return plan, {target.name: target.platform for target in every}, listing.read


def _source_word(text: str, workspace: Workspace) -> str:
    """Return ``project.source``, read without the schema; errors are left to the spec's loader."""
    try:
        table = read_toml(text, workspace.spec.name)
        word = table.get("project", {}).get("source", ".")
    except (TomlInvalid, AttributeError):
        word = None
    if isinstance(word, str):
        return word
    from mpforge.spec.load import load_spec

    return load_spec(text, file=workspace.spec.name).project.source


def _key(data: bytes, lock: bytes | None, inputs: Inputs, host: HostFacts) -> str:
    source = inputs.source
    parts: list[str | None] = [own_version(), data.hex(), (lock or b"").hex()]
    parts += [repr(host), source.form]
    if source.form == "packed-sdist":
        parts.append(hash_file(source.root).digest)
    else:
        parts += [inputs.read(name) for name in _READ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
