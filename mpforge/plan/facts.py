"""Facts that the compiler needs in addition to the spec and the lock: the host and the project, as data.

Gathering these facts is the engine's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mpforge.plan.requirements import OwnPackage


@dataclass(frozen=True)
class HostFacts:
    """This machine: ``platform`` is a target name (``x86_64``) or None if builds can't run.

    ``system`` is the word for messages (``Linux x86_64``, ``macOS arm64``).
    ``also_runs`` are platforms whose programs its processor runs in a sandbox as well (i686 on x86-64).
    ``container_runtime`` is True if a socket or a setting of the user names one; it may not answer.
    ``cpu_features`` are its processor's extensions (``platforms.cpus``), None if they were not read.
    ``roots`` is True if images can run here without one, else ``no_roots`` is the reason.
    """

    platform: str | None
    system: str
    container_runtime: bool = False
    roots: bool = False
    no_roots: str = ""
    also_runs: tuple[str, ...] = ()
    cpu_features: frozenset[str] | None = None


@dataclass(frozen=True)
class Listed:
    """The requirements of an entry of the spec that names a file or a path.

    All are PEP 508, followed by hashes if the file has some (``hashes_of``); a path becomes a direct
    reference with its content: see ``mpforge.engine.requirement_files``.
    """

    entry: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectFacts:
    """The project to build: what its pyproject.toml declares for builds, and the form of its source.

    ``backend`` is ``build-backend``; ``in_tree`` says that ``backend-path`` is set; ``form`` is ``tree`` (a
    checkout or a plain directory) or ``sdist`` (packed or unpacked). ``rust`` is the channel of
    ``rust-toolchain.toml``. ``requires_python`` is None if it is not known before an sdist is made;
    ``requires_python_by`` names its source as text. ``pure_by`` says why it is known to be pure Python, if
    it is. ``own`` is the expected metadata of its wheel, None if not even its name is known;
    ``asks_compiler`` says that its ``setup.py`` may call a compiler for any command; ``groups`` are the
    dependency groups, names as written. ``listed`` are the requirements of the spec's entries that name files
    or paths.
    """

    form: str
    backend: str
    in_tree: bool
    requires: tuple[str, ...]
    requires_python: str | None = None
    requires_python_by: str = "pyproject.toml's requires-python"
    own: OwnPackage | None = None
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    listed: tuple[Listed, ...] = ()
    may_be_abi3: bool = False
    pure_by: str | None = None
    rust: str = "stable"
    asks_compiler: bool = False

    def requirements(self, entries: Iterable[str]) -> set[str]:
        """Return the requirements of entries of ``requires``, files and paths expanded."""
        return {text for one in self._listed(entries) for text in one.requirements}

    def constraints(self, entries: Iterable[str], required: Iterable[str]) -> tuple[str, ...]:
        """Return the constraints, sorted, of entries of ``constraints`` and of files in ``required``."""
        found = {text for one in self._listed(required) for text in one.constraints}
        for one in self._listed(entries):
            found |= {*one.requirements, *one.constraints}
        return tuple(sorted(found))

    def _listed(self, entries: Iterable[str]) -> list[Listed]:
        known = {one.entry: one for one in self.listed}
        return [known.get(entry) or Listed(entry, (entry,)) for entry in entries]
