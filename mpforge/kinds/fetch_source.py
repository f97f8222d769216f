"""Obtain sources: a package's sdist; a native library's archive, commit or files, and its patches."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import SourceMissing
from mpforge.kinds.kind import Kind
from mpforge.kinds.task import Given, Task
from mpforge.obtain.pins import Pins
from mpforge.plan.steps import CopyFiles, FetchCommit, FetchSdist, FetchSource
from mpforge.store.files import hash_file

if TYPE_CHECKING:
    from mpforge.kinds.step_ingredients import Provision


class FetchingSource(Kind[FetchSource]):
    """Kind of the steps that fetch a library's source."""

    def parts(self, command: FetchSource, given: Given, provision: "Provision") -> dict[str, str]:
        """Return nothing: the archive's digest identifies it."""
        return {}

    def run(self, task: Task, command: FetchSource, provision: "Provision") -> dict[str, str]:
        """Fetch and unpack the archive. Raises ``IndexUnreachable``, ``HashMismatch``."""
        from mpforge.obtain import source_archives

        directory = task.directory.prepare()
        with provision.toolbox.reporter.working(f"fetching {task.step.title}"):
            archive = source_archives.fetch(
                command.urls, command.sha256, directory.root, task.step.title
            )
        _unpack(archive, directory.root, directory.output)
        return {}


class FetchingSdist(Kind[FetchSdist]):
    """Kind of the steps that fetch the sdist of a package."""

    files_are_read: bool = True

    def parts(self, command: FetchSdist, given: Given, provision: "Provision") -> dict[str, str]:
        """Return nothing: the archive's digest identifies it."""
        return {}

    def run(self, task: Task, command: FetchSdist, provision: "Provision") -> dict[str, str]:
        """Fetch and unpack the sdist. Raises ``PinGone``, ``HashMismatch``, ``IndexUnreachable``."""
        from mpforge.obtain.packages import sdists
        from mpforge.plan.pins import Package

        directory = task.directory.prepare()
        package = Package(command.name, command.version, (command.sha256,), sdist=True)
        with provision.toolbox.reporter.working(f"fetching {task.step.title}"):
            archive = sdists.obtain(
                package, directory.root, provision.pins.index, python=command.asked_for
            )
        _unpack(archive, directory.root, directory.output)
        return {}


class FetchingCommit(Kind[FetchCommit]):
    """Kind of the steps that fetch a library's source from a git repository."""

    def parts(self, command: FetchCommit, given: Given, provision: "Provision") -> dict[str, str]:
        """Return nothing: the commit's hash identifies it."""
        return {}

    def run(self, task: Task, command: FetchCommit, provision: "Provision") -> dict[str, str]:
        """Fetch the commit's files. Raises ``IndexUnreachable``, ``ToolUnavailable``."""
        from mpforge.obtain import git_commits

        directory, title = task.directory.prepare(), task.step.title
        directory.output.rmdir()
        with provision.toolbox.reporter.working(f"fetching {title}"):
            git_commits.fetch(command.url, command.commit, directory.output, title)
        return {}


class CopyingFiles(Kind[CopyFiles]):
    """Kind of the steps that copy a library's source or patches from files next to the spec."""

    def parts(self, command: CopyFiles, given: Given, provision: "Provision") -> dict[str, str]:
        """Return the digest of each file or directory. Raises ``SourceMissing``."""
        named = {f"patch.{number}": path for number, path in enumerate(command.patches, start=1)}
        if command.source is not None:
            named["files"] = command.source
        return {name: _digest(path, provision.pins) for name, path in named.items()}

    def run(self, task: Task, command: CopyFiles, provision: "Provision") -> dict[str, str]:
        """Copy the files; an archive is unpacked. Raises ``SourceMissing``, ``SourceUnreadable``."""
        directory, paths = task.directory.prepare(), provision.pins.paths
        for number, patch in enumerate(command.patches, start=1):
            shutil.copyfile(paths.wheel(patch), directory.output / f"{number:04}.patch")
        if command.source is not None:
            if paths.wheel(command.source).is_dir():
                directory.output.rmdir()
                paths.copy(command.source, directory.output, released=True)
            else:
                _unpack(paths.wheel(command.source), directory.root, directory.output)
        return {}


def _digest(path: str, pins: Pins) -> str:
    place = pins.paths.wheel(path)
    if place.is_dir():
        return pins.paths.files(path, released=True).digest()
    if not place.is_file():
        raise SourceMissing(
            f"{path}: no such file or directory, but a table of [libraries] names it",
            hint=f"check the path {place}",
        )
    return hash_file(place).digest


def _unpack(archive: Path, folder: Path, output: Path) -> None:
    """Unpack an archive without the directory at its top, if it has only one."""
    from mpforge.artifacts import archives

    place = folder / "unpacked"
    place.mkdir()
    archives.unpack(archive, place)
    found = [*place.iterdir()]
    top = found[0] if len(found) == 1 and found[0].is_dir() else place
    output.rmdir()
    top.rename(output)
