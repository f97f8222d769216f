"""Decide whether ``dist/`` has what a session would make, and publish results there.

The rules are docs/contract.md, "dist/ and its record": files that another machine made from the same source
and options are shipped unchanged; files of this machine count while their whole recipe is the same. Knows
nothing of how a result is made.
"""

import contextlib
import functools
import hashlib
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.artifacts.core_metadata import own_package
from mpforge.artifacts.wheels import wheel_name
from mpforge.engine.dist import Dist, Entry, digest_of
from mpforge.engine.load_plan import Compiled
from mpforge.engine.realize import is_less_isolated
from mpforge.errors import Damaged
from mpforge.kinds.observed_reads import HOST
from mpforge.kinds.step_ingredients import Provision, Shipped
from mpforge.kinds.task import Given
from mpforge.plan.events import Emit, Published, Warned
from mpforge.plan.requirements import OwnPackage
from mpforge.plan.sessions import PlannedSession
from mpforge.processes.interrupts import interrupted
from mpforge.store import notes
from mpforge.store.files import hash_file
from mpforge.store.locks import alone
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory, FileNode, from_entries
from mpforge.workspace import Workspace

_UNNAMED = "unnamed"
"""Name of a store whose directory can't be written: its records look like those of other stores."""


@dataclass(frozen=True)
class Shipping:
    """``dist/`` as one session sees it."""

    found: Compiled
    workspace: Workspace
    provision: Provision
    no_cache: bool
    emit: Emit

    @functools.cached_property
    def dist(self) -> Dist:
        """The directory and its record."""
        return Dist(self.workspace.dist, self.workspace.shared_state, self.workspace.spec.name)

    @functools.cached_property
    def _name(self) -> tuple[str, bool]:
        """Name of this store on this machine, which records have, and whether an earlier one was lost."""
        place = self.workspace.cache / "name"
        noted = notes.load(place)
        if noted is None:
            with contextlib.suppress(OSError):
                _write_first(place)
            noted = notes.load(place)
        return (_UNNAMED, False) if noted is None else (f"{noted[0]}-{_machine()}", bool(noted[1]))

    def _is_ours(self, entry: Entry) -> bool:
        """Return whether this store may have made the file of an entry."""
        name, lost = self._name
        return entry.store in {name, _UNNAMED} or (lost and entry.store.endswith(f"-{_machine()}"))

    def recipe(self, session: PlannedSession) -> str:
        """Return one digest of everything known of a session's result before it is made."""
        made = self.found.plan.session("sdist")
        before = made.steps if made is not None and session.phase == "build" else ()
        return digest_of(self.provision.recipe((*before, *session.steps)))

    def source(self, session: PlannedSession) -> str:
        """Return the digest of the source of a session's result, the same on every machine.

        Test sources are part of it: a project may install them.
        """
        main = self.found.plan.main_step(session)
        return self.found.inputs.identity(() if main is None else main.command.exclude)

    def already(self, session: PlannedSession) -> tuple[Entry, ...] | None:
        """Return a session's entries in ``dist/`` if nothing is left to do for it."""
        if self.no_cache:
            return None
        self.dist.sweep()
        return self._from_elsewhere(session) or self._unchanged(session)

    def all_from_elsewhere(self, target: str | None) -> tuple[Entry, ...]:
        """Return all entries of a target's builds from another machine; none if any build is left to do."""
        found: list[Entry] = []
        for session in self.found.plan.sessions:
            builds = session.phase == "build" and session.target == target
            if builds and not session.group:
                entries = None if self.no_cache else self._from_elsewhere(session)
                if entries is None:
                    return ()
                found += entries
        return tuple(found)

    def _unchanged(self, session: PlannedSession) -> tuple[Entry, ...] | None:
        """Return a session's entries in ``dist/`` if it was made from exactly this, and is whole."""
        entries = self.dist.of(session.name)
        secret = any(self.found.plan.step(name).variables.secrets for name in session.steps)
        if not entries or secret:
            return None
        same = all(self._is_made_from_this(session, entry) for entry in entries)
        if not same or any(self._is_less_isolated(entry) for entry in entries):
            return None
        return entries if all(map(self.dist.in_place, entries)) else None

    def _is_less_isolated(self, entry: Entry) -> bool:
        """Return whether a file was made by steps with less isolation from the host than is possible here."""
        try:
            made = self.found.store.find(entry.key)
        except Damaged:
            return False  # shipped files are kept while they are whole
        return made is not None and is_less_isolated(made)

    def _is_made_from_this(self, session: PlannedSession, entry: Entry) -> bool:
        """Return whether a file is what the session would make, by its own recipe or its maker's.

        A session whose equal bytes were merged into another's entry has no recorded recipe. Files of the host
        that were read are not part of a recipe.
        """
        if not self._has_read_the_same(entry):
            return False
        if session.name not in entry.users:
            return entry.recipe == self.recipe(session)
        maker = self.found.plan.session(session.after) if session.after else None
        if maker is None or entry.session != maker.name:
            return False
        return entry.recipe == self.recipe(maker)

    def _has_read_the_same(self, entry: Entry) -> bool:
        """Return whether the host files that a file's builds read are unchanged."""
        for key in entry.observed:
            try:
                result = self.found.store.find(key)
            except Damaged:
                return False
            reads = {} if result is None else result.observed
            of_host = {name: value for name, value in reads.items() if name.startswith(HOST)}
            if not of_host or self.provision.read_now(of_host, Given({})) != of_host:
                return False
        return True

    def _from_elsewhere(self, session: PlannedSession) -> tuple[Entry, ...] | None:
        """Return entries that another machine made from the same source and options: they are shipped."""
        # The records first, because the digest of the source needs every file, and calls of git.
        ours = any(map(self._is_ours, self.dist.of(session.name)))
        if ours or self._name[0] == _UNNAMED:
            return None
        return self.matching(session) or None

    def matching(self, session: PlannedSession) -> tuple[Entry, ...]:
        """Return the entries with a session's target, Python, source and options, if whole."""
        entries = self.dist.of(session.name)
        if not entries:
            return ()
        source = self.source(session)
        same = all(e.source == source and e.options == session.options for e in entries)
        return entries if same and all(map(self.dist.intact, entries)) else ()

    def as_shipped(self, entries: tuple[Entry, ...], folder: str) -> Shipped:
        """Return shipped files in the form that a test takes."""
        places = {entry.path: self.workspace.dist / entry.path for entry in entries}

        def seen_by(read: Callable[[Path], FileNode]) -> Directory:
            nodes: dict[str, FileNode | str] = {}
            for entry in entries:
                path = entry.path.removeprefix(folder)
                if entry.symlink is not None:
                    nodes[path] = entry.symlink
                else:
                    nodes[path] = replace(read(places[entry.path]), executable=entry.executable)
            return from_entries(nodes)

        def stored() -> Directory:
            tree = seen_by(self.found.store.put_file)
            self.found.store.put_tree(tree)
            return tree

        def own() -> OwnPackage:
            return own_package(next(iter(places.values())))

        return Shipped(seen_by(hash_file), stored, own)

    def put_in_place(
        self,
        session: PlannedSession,
        result: ActionResult,
        files: Mapping[str, FileNode | str],
        observed: tuple[str, ...],
    ) -> None:
        """Publish files of a result, each recorded with its ingredients. Raises ``Damaged``.

        A ``str`` is a symlink's target. ``observed`` is the value of ``Realizer.observed``.
        """
        if interrupted():
            raise KeyboardInterrupt
        aside = self.dist.set_damaged_aside()
        if aside is not None:
            moved = f"mpforge moved it to {aside} and started a new one"
            self.emit(Warned(session.name, f"dist/mpforge.json was damaged; {moved}"))

        def write(entry: Entry, place: Path) -> None:
            node = files[entry.path]
            if isinstance(node, str):
                place.symlink_to(node)
            else:
                self.found.store.copy_out(node.digest, place, executable=node.executable)

        common = self._common(session, result, observed)
        entries = [_entry(common, path, node) for path, node in files.items()]
        for entry, fresh in zip(entries, self.dist.publish(entries, write), strict=True):
            self.emit(Published(session.name, f"dist/{entry.path}", entry.digest, fresh))

    def _common(
        self, session: PlannedSession, result: ActionResult, observed: tuple[str, ...]
    ) -> Entry:
        """Return the part of an entry that all files of a result share."""
        choice = session.choice
        return Entry(
            path="",
            digest="",
            session=session.name,
            target=session.target,
            python=session.python,
            source=self.source(session),
            options=session.options,
            recipe=self.recipe(session),
            key=result.key,
            store=self._name[0],
            strategy=choice.strategy if choice else "native",
            host=self.found.plan.host,
            spec=self.workspace.spec.name,
            observed=observed,
            cpu=session.cpu,
        )


def _entry(common: Entry, path: str, node: FileNode | str) -> Entry:
    """Return a file's entry; a ``str`` is a symlink's target."""
    if isinstance(node, str):
        digest = hashlib.sha256(os.fsencode(node)).hexdigest()
        return replace(common, path=path, digest=digest, symlink=node)
    tags = wheel_name(Path(path).name).platforms if path.endswith(".whl") else ()
    return replace(common, path=path, digest=node.digest, executable=node.executable, tags=tags)


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _write_first(place: Path) -> None:
    """Write a random name for a store, unless another process did; a damaged one counts as lost."""
    with alone(place.with_name(".name.lock"), waits=lambda: None, warn=lambda _: None):
        if notes.load(place) is None:
            notes.put(place, notes.sealed([os.urandom(8).hex(), os.path.lexists(place)]))
