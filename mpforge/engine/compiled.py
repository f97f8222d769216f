"""The plan of a workspace, compiled or as kept in ``.mpforge/``.

What is kept is known by the digest of all that it was compiled from, so a cached session needs neither
pydantic nor a compilation.
"""

import contextlib
import hashlib
import json
from dataclasses import dataclass, replace

from mpforge import __version__
from mpforge.engine.facts import host_facts, project_facts
from mpforge.engine.index import content, text_of
from mpforge.engine.inputs import Inputs
from mpforge.engine.workspace import Workspace
from mpforge.errors import TomlInvalid, WrongInput
from mpforge.formats.toml import read_toml
from mpforge.plan.codec import decode, encode
from mpforge.plan.facts import HostFacts
from mpforge.plan.model import Plan
from mpforge.sources.project import Project, locate
from mpforge.store import notes
from mpforge.store.files import hash_file
from mpforge.store.local import Store, opened
from mpforge.tools import lockfile

PLAN = "plan.json"
_plans: dict[str, Plan] = {}
"""What this process has read or compiled, by key: each session of a run asks for it."""

_READ = (
    *("pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO", "hatch.toml", "pdm_build.py"),
    *("Cargo.toml", "rust-toolchain.toml", "rust-toolchain"),
)


@dataclass(frozen=True)
class Compiled:
    """A workspace's plan, and its source as inputs."""

    plan: Plan
    source: Project
    inputs: Inputs
    store: Store


def compiled(workspace: Workspace) -> Compiled:
    """The plan of a workspace on this host, and its source.

    Raises ``SpecInvalid``, ``SourceMissing``, ``LockInvalid``, and what reading the source raises.
    """
    data = content(workspace)
    text = text_of(data, workspace)
    store = opened(workspace.cache / "store")
    inputs = _inputs(workspace, text, store)
    source = inputs.source
    key = _key(workspace, data, source, inputs)
    plan = _plans.get(key) or _kept_plan(workspace, key)
    if plan is None:
        plan, _ = _compile(workspace, text, inputs, host_facts())
        notes.keep(workspace.state / PLAN, {"schema": 3, "key": key, "plan": encode(plan)})
    _plans[key] = plan
    return Compiled(plan, source, inputs, store)


def _inputs(workspace: Workspace, text: str, store: Store) -> Inputs:
    """The source that a spec names. Raises ``SourceMissing``, ``WrongInput``."""
    source = locate(workspace.root, _source_word(text, workspace), workspace.spec.name)
    source = _without_cache(source, workspace)
    return Inputs(source, store, workspace.state / "fingerprints")


def source_of(workspace: Workspace, text: str) -> Inputs:
    """The source that a spec names. Raises ``SourceMissing``, ``WrongInput``."""
    return _inputs(workspace, text, opened(workspace.cache / "store"))


def _without_cache(source: Project, workspace: Workspace) -> Project:
    """A source that has our cache at its top is that without it. Raises ``WrongInput`` where it is deeper."""
    if not workspace.cache.is_relative_to(source.root):
        return source
    inside = workspace.cache.relative_to(source.root).parts
    if len(inside) != 1:
        raise WrongInput(
            f"the cache lies within the project's source: {workspace.cache}",
            why="it would be an input of every build",
            hint="set MPFORGE_CACHE to a directory outside of it, or at its top",
        )
    return replace(source, own=(*source.own, inside[0]))


def _kept_plan(workspace: Workspace, key: str) -> Plan | None:
    """The plan that was kept, if it was compiled from just this and nobody has changed it since."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        kept = notes.load(workspace.state / PLAN)
        if kept["key"] == key:
            return decode(Plan, kept["plan"])
    return None


def plan_on(workspace: Workspace, host: HostFacts) -> tuple[Plan, dict[str, str]]:
    """The plan as it would be on another host, and each target's platform. Raises as ``compiled``."""
    found = compiled(workspace)
    return _compile(workspace, text_of(content(workspace), workspace), found.inputs, host)


def _compile(
    workspace: Workspace, text: str, inputs: Inputs, host: HostFacts
) -> tuple[Plan, dict[str, str]]:
    from mpforge.compiler.compile import compile_plan
    from mpforge.spec.load import load_spec
    from mpforge.spec.options import targets

    spec = load_spec(text, file=workspace.spec.name)
    every = targets(spec)
    project = project_facts(inputs, wheel=any(target.pythons for target in every))
    plan = compile_plan(spec, host, project, lockfile.read(workspace.lock))
    return plan, {target.name: target.platform for target in every}


def _source_word(text: str, workspace: Workspace) -> str:
    """``project.source``, read without the schema; a spec that is wrong is told by its loader."""
    try:
        table = read_toml(text, workspace.spec.name)
        word = table.get("project", {}).get("source", ".")
    except (TomlInvalid, AttributeError):
        word = None
    if isinstance(word, str):
        return word
    from mpforge.spec.load import load_spec

    return load_spec(text, file=workspace.spec.name).project.source


def _key(workspace: Workspace, data: bytes, source: Project, inputs: Inputs) -> str:
    lock = lockfile.content(workspace.lock) or b""
    parts: list[str | None] = [__version__, data.hex(), lock.hex(), repr(host_facts()), source.form]
    if source.form == "packed-sdist":
        parts.append(hash_file(source.root).digest)
    else:
        parts += [inputs.read(name) for name in _READ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
