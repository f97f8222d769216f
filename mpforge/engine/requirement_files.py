"""Expand a spec's requirements that name files and paths.

A file of requirements (``-r``, ``-c``) is replaced by its lines; a path by a direct reference with its
content: a wheel's digest, or the files that a directory's own requirements are read from. So a key and a lock
depend on the content. Runs nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from mpforge.compiler.project_name import declared_name
from mpforge.engine.load_plan import ABSENT
from mpforge.errors import Place, TomlInvalid
from mpforge.formats.toml import Path as KeyPath
from mpforge.formats.toml import read_toml
from mpforge.plan.facts import Listed, ProjectFacts
from mpforge.plan.requirements import normal_name
from mpforge.spec.finding import Finding, dotted
from mpforge.spec.model import Spec
from mpforge.spec.options import all_levels
from mpforge.spec.requirement_lines import FileLine, PathLine, lines_of, parse_line
from mpforge.store.files import hash_file

_SAYS_REQUIREMENTS = ("pyproject.toml", "setup.cfg", "setup.py")


@dataclass(frozen=True)
class _Expansion:
    """An entry at a place of the spec, and the requirements and constraints that replace it."""

    at: KeyPath
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


@dataclass
class Listing:
    """The expanded entries of one spec; paths are relative to ``root``, the project's directory.

    ``read`` maps each file that was read to its digest, so that a kept plan can be checked; ``findings`` are
    the errors, with places in those files.
    """

    root: Path
    project: ProjectFacts
    listed: dict[str, Listed] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add_all(self, spec: Spec) -> "Listing":
        """Read the files that a spec's entries name; errors are collected, not raised."""
        for at, entry in _entries(spec):
            if entry not in self.listed:
                self._add(at, entry, Place(""))
        for number, (name, texts) in enumerate(self.project.groups):
            for text in texts:
                if text not in self.listed:
                    self._add(("test", "groups", number), text, Place(f"group {name}"))
        return self

    def _add(self, at: KeyPath, entry: str, place: Place) -> None:
        into = _Expansion(at)
        self._line(into, entry, place, ())
        if (into.requirements, into.constraints) != ([entry], []):
            self.listed[entry] = Listed(entry, tuple(into.requirements), tuple(into.constraints))

    def _line(self, into: _Expansion, text: str, place: Place, within: tuple[str, ...]) -> None:
        """Add a line to requirements or constraints; ``within`` are the files that contain it."""
        try:
            line = parse_line(text)
            if isinstance(line, FileLine):
                self._file(into, line, within)
            elif isinstance(line, PathLine):
                into.requirements.append(self._path(line))
            elif line is not None:
                into.requirements.append(line)
        except ValueError as error:
            where = place if within else None
            message = f"`{dotted(into.at[:-1])}`: {error}"
            self.findings.append(Finding("bad-requirement", into.at, message, place=where))

    def _file(self, into: _Expansion, line: FileLine, within: tuple[str, ...]) -> None:
        """Add the lines of a file, whose own files are named relative to it, as pip does."""
        path = (Path(within[-1]).parent if within else Path()) / line.path
        name = path.as_posix()
        if name in within:
            raise ValueError(f"{name} includes itself")
        text = self._text(path)
        if text is None:
            raise ValueError(f"{self.root.name}/ has no file {name}")
        if line.constrains:
            into = replace(into, requirements=into.constraints)
        for number, column, inner in lines_of(text):
            self._line(into, inner, Place(name, number, column), (*within, name))

    def _text(self, path: Path) -> str | None:
        """Return the text of a file and record its digest; None if it does not exist."""
        try:
            data = (self.root / path).read_bytes()
        except OSError:
            self.read[path.as_posix()] = ABSENT
            return None
        self.read[path.as_posix()] = hashlib.sha256(data).hexdigest()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{path.as_posix()} is not UTF-8") from None

    # --- paths ---------------------------------------------------------------------------------

    def _path(self, line: PathLine) -> str:
        """Return a path as a requirement: the project's own name, or a direct reference."""
        place = self.root / line.path
        own = self.project.own
        if place.resolve() == self.root.resolve():
            name = own.name if own is not None else line.name
            if name is None:
                raise ValueError(
                    f"the project's name is known only after a build: write NAME[extra], not {line.path}"
                )
            return line.requirement(name, "")
        if own is not None and line.name and normal_name(line.name) == normal_name(own.name):
            # The content of the path does not matter: the wheel is tested.
            return line.requirement(own.name, "")
        if place.is_file() and place.name.endswith(".whl"):
            return self._wheel(line, place)
        if place.is_dir():
            return self._directory(line)
        self.read[line.path] = ABSENT
        if not place.exists():
            raise ValueError(f"{line.path} does not exist")
        expected = "expected a wheel or a directory with a pyproject.toml or a setup.py"
        raise ValueError(f"{line.path}: {expected}")

    def _wheel(self, line: PathLine, place: Path) -> str:
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            name = str(parse_wheel_filename(place.name)[0])
        except InvalidWheelFilename as error:
            raise ValueError(str(error)) from None
        self._check_name(line, name)
        digest = self.read[line.path] = hash_file(place).digest
        return line.requirement(line.name or name, f" @ file:{quote(line.path)}#sha256={digest}")

    def _directory(self, line: PathLine) -> str:
        """Refer to a directory by its files of name and requirements; its other files enter keys alone."""
        texts = {name: self._text(Path(line.path) / name) for name in _SAYS_REQUIREMENTS}
        if texts["pyproject.toml"] is None and texts["setup.py"] is None:
            raise ValueError(f"{line.path} has neither pyproject.toml nor setup.py")
        try:
            table = read_toml(texts["pyproject.toml"] or "", f"{line.path}/pyproject.toml")
        except TomlInvalid as error:
            raise ValueError(f"{error.place}: {error.what}") from None
        name = declared_name(table, texts["setup.cfg"], texts["setup.py"]) or line.name
        if name is None:
            raise ValueError(f"can't tell the name of {line.path}: write NAME @ file:{line.path}")
        self._check_name(line, name)
        digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16]
        where = f" @ file:{quote(line.path)}#requirements={digest}"
        return line.requirement(line.name or name, where)

    def _check_name(self, line: PathLine, name: str) -> None:
        if line.name is not None and normal_name(line.name) != normal_name(name):
            raise ValueError(f"{line.path} is {name}, not {line.name}")


def _entries(spec: Spec) -> Iterator[tuple[KeyPath, str]]:
    """Yield every entry of the spec that is a line of requirements, with its place."""
    for level in all_levels(spec):
        for kind, key, entries in (
            ("build", "requires", level.build.requires),
            ("build", "constraints", level.build.constraints),
            ("build", "repair.requires", level.build.repair.requires),
            ("test", "requires", level.test.requires),
            ("test", "constraints", level.test.constraints),
        ):
            for number, entry in enumerate(entries):
                yield (*level.path, kind, key, number), entry
