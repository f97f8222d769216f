"""Resolve requirements to pinned packages, by uv.

A pin has one wheel's hash for each package, the best one for its Python and platform, so that an
index or a mirror gives the same bytes or none; only a package without wheels is pinned by its sdist.
The project under test is present as a stand-in: a wheel of its metadata alone. This module knows nothing of
the lock file, nor of an environment's use.
"""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpforge.errors import MpforgeError, NotAvailableYet, Unresolvable
from mpforge.formats.requirements import requirement
from mpforge.formats.toml import read_toml
from mpforge.obtain.packages import sdists, wheel_choice
from mpforge.obtain.packages.interpreter_answers import interpreter_for
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.uv import explanation, failure, unexpected, unreachable, uv
from mpforge.obtain.packages.wheel_choice import for_words
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package
from mpforge.plan.requirements import OwnPackage, depends_on_patch, hashes_of, normal_name, shown
from mpforge.platforms import well_known
from mpforge.processes import Captured

_ANSWER_SECONDS = (
    15  # pages are small; files may take longer to begin (a mirror fetches them first)
)
# Not "name==1.2 has no usable wheels": uv prints that for single releases on its way to a conflict.
_UNKNOWN = re.compile(r"([\w.-]+) was not found in the package registry")
_WHEELLESS = re.compile(
    r"(?:all versions of )?([\w.-]+)(?:[<>=!]+\S+)?"
    r"(?: has no wheels with a matching| have no (?:usable )?wheels)"
)
_WHEEL_REQUIRED = re.compile(r"Wheels are required for `([\w.-]+)`")
# Number of rounds that add packages without wheels; compiled packages and programs must have wheels.
_TRIES = {"build": 5, "test": 5, "image": 5}
# Higher than any required version, for a project whose own version is unknown or does not fit.
_ANY_VERSION = "99999"

Local = Callable[[str], Path]
"""Returns the place of a requirement's path: a wheel, or a copy of a source directory for uv to write in."""

Ask = Callable[[Sequence[str]], Captured]
"""Calls ``uv pip compile`` with further arguments."""


def _nowhere(path: str) -> Path:
    raise NotAvailableYet(f"the requirement {path} is a path, which is not supported here")


def resolve(
    request: EnvironmentRequest,
    index: Index,
    *,
    prefer: Sequence[Package] = (),
    own: OwnPackage | None = None,
    local: Local = _nowhere,
) -> EnvironmentPin:
    """Return the packages that satisfy ``request``, with hashes and, if known, sizes.

    ``prefer`` are versions to keep if they still fit. ``own`` is the project under test: it is not
    searched for, whatever requires it. Raises ``Unresolvable`` if nothing satisfies the requirements,
    ``IndexUnreachable``, ``NotAvailableYet`` for a Python, a platform or a direct reference that can't
    be resolved for yet.
    """
    version = wheel_choice.python_version(request.python)
    asked = _Asked(request, local)
    requirements = [asked.line(text) for text in request.requirements]
    constraints = [asked.line(text) for text in request.constraints]
    if not requirements:
        return EnvironmentPin(request, ())
    system = well_known()[request.target], request.policy
    with (
        tempfile.TemporaryDirectory(prefix="mpforge-resolve-") as name,
        interpreter_for(request.python, system) as interpreter,
    ):
        work = Path(name)
        (work / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
        (work / "constraints.txt").write_text("\n".join(constraints), encoding="utf-8")
        answer_file = work / "pylock.toml"
        if prefer:
            answer_file.write_text(_previous(prefer), encoding="utf-8")
        arguments = ["pip", "compile", "-q", "--no-header", "--format", "pylock.toml"]
        arguments += ["--python", str(interpreter), "--python-version", version]
        arguments += ["--constraints", str(work / "constraints.txt")]
        arguments += ["--output-file", str(answer_file), str(work / "requirements.txt")]
        arguments += ["--only-binary", ":all:"]
        # A user's cut-off date applies to resolving, never to installing a pin.
        wishes = {k: v for k, v in os.environ.items() if k.startswith("UV_EXCLUDE_NEWER")}

        def ask(more: Sequence[str]) -> Captured:
            words = [*arguments, *more]
            return uv(words, index=index, extra=wishes, read_seconds=_ANSWER_SECONDS)

        def with_own(more: Sequence[str]) -> Captured:
            if own is None:
                return ask(more)
            return _beside_stand_in(own, work, lambda ways: ask([*more, *ways]))

        answer = _with_sdists(asked.sources, with_own, tries=_TRIES.get(request.purpose, 1))
        if answer.returncode != 0:
            raise _not_resolved(answer, request, index)
        table = read_toml(answer_file.read_bytes(), "uv's answer")
    pin = EnvironmentPin(request, _packages(table, asked, index))
    return pin if own is None else pin.without(own.name)


def _with_sdists(sources: Sequence[str], ask: Ask, *, tries: int) -> Captured:
    """Return uv's answer; packages that have only an sdist are resolved by it.

    If that does not help, return the first answer, whose message is about wheels.
    """
    allowed = set(sources)
    answers: list[Captured] = []
    for _ in range(tries):
        answer = ask([word for name in sorted(allowed) for word in ("--no-binary", name)])
        if answer.returncode == 0:
            return answer
        answers.append(answer)
        names = _WHEEL_REQUIRED.findall(answer.stderr) + _WHEELLESS.findall(answer.stderr)
        wheelless = {normal_name(name) for name in names}
        if wheelless <= allowed:
            break
        allowed |= wheelless
    return answers[0]


def _previous(packages: Sequence[Package]) -> str:
    """Return a PEP 751 file of versions to keep, in the form of an earlier answer of uv."""
    head = 'lock-version = "1.0"\ncreated-by = "mpforge"\n'
    return head + "".join(
        f'[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        for package in packages
        if not package.path
    )


@dataclass
class _Asked:
    """A request as uv reads it, and constraints on the answer, by normalized name.

    ``paths`` are those of requirements, ``sources`` the names of source directories, ``hashes``
    those that the user allows.
    """

    request: EnvironmentRequest
    local: Local
    paths: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    hashes: dict[str, frozenset[str]] = field(default_factory=dict)

    def line(self, text: str) -> str:
        """Return a requirement as uv reads it. Raises if it isn't PEP 508, or names an address.

        uv evaluates markers for 3.X.0; one that holds only for a later patch version is removed.
        """
        plain, hashes = hashes_of(text)
        try:
            wanted = requirement(plain)
        except ValueError as error:
            raise Unresolvable(
                f"{text!r} is not a requirement", why=str(error), hint='such as "cython>=3,<4"'
            ) from error
        name = normal_name(wanted.name)
        if hashes:
            self.hashes[name] = frozenset(hashes)
        if depends_on_patch(plain, target=self.request.target, python=self.request.python):
            wanted.marker = None
        if wanted.url and wanted.url.startswith("file:"):
            path = path_of(wanted.url)
            place = self.local(path)
            self.paths[name] = path
            if place.is_dir():
                self.sources.append(name)
            wanted.url = place.absolute().as_uri()
        elif wanted.url:
            raise NotAvailableYet(
                f"the requirement {wanted.name} is a URL, which can't be pinned yet",
                hint="name a version, and the index that has it in [index]",
            )
        return str(wanted)


def path_of(url: str) -> str:
    """Return the path of a ``file:`` reference in a request, without its fragment."""
    from urllib.parse import unquote

    return unquote(url.removeprefix("file:").partition("#")[0])


# --- uv's answer ------------------------------------------------------------------------------


def _packages(table: Mapping[str, Any], asked: _Asked, index: Index) -> tuple[Package, ...]:
    """Return the packages in uv's PEP 751 answer, each with its best wheel, sorted by name."""
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(
            lambda entry: _package(entry, asked, index),
            [e for e in table.get("packages", []) if _is_wanted(e, asked)],
        )
        return tuple(sorted(found, key=lambda package: package.name))


def _is_wanted(entry: Mapping[str, Any], asked: _Asked) -> bool:
    """Return whether a package is wanted: not the stand-in for the project under test."""
    return "archive" not in entry or normal_name(str(entry["name"])) in asked.paths


def _package(entry: Mapping[str, Any], asked: _Asked, index: Index) -> Package:
    name = str(entry["name"])
    path = asked.paths.get(normal_name(name), "")
    if "directory" in entry:
        pyproject = Path(str(entry["directory"]["path"])) / "pyproject.toml"
        text = pyproject.read_text("utf-8") if pyproject.is_file() else None
        return Package(name, "0", (), path=path, build_requires=sdists.requires_of(text))
    if "archive" in entry:
        digest = str(entry["archive"]["hashes"]["sha256"])
        return Package(name, str(entry.get("version", "0")), (f"sha256:{digest}",), path=path)
    version, allowed = str(entry["version"]), asked.hashes.get(normal_name(name))
    if allowed is not None:
        entry = _only(entry, allowed, asked.request)
    if "sdist" in entry and not entry.get("wheels"):
        sdist = wheel_choice.index_file(entry["sdist"])
        requires = sdists.build_requires(sdist, index)
        hashes = (f"sha256:{sdist.sha256}",)
        return Package(name, version, hashes, sdist.size, sdist=True, build_requires=requires)
    wheel = wheel_choice.best_wheel(entry, asked.request)
    return Package(name, version, (f"sha256:{wheel.sha256}",), wheel_choice.size_of(wheel))


def _only(
    entry: Mapping[str, Any], allowed: frozenset[str], request: EnvironmentRequest
) -> Mapping[str, Any]:
    """Return a package's table with only the files whose hash the user allows. Raises ``Unresolvable``."""

    def is_allowed(file: Mapping[str, Any]) -> bool:
        return f"sha256:{file.get('hashes', {}).get('sha256')}" in allowed

    wheels = [file for file in entry.get("wheels", []) if is_allowed(file)]
    kept = {**entry, "wheels": wheels}
    if "sdist" in entry and not is_allowed(entry["sdist"]):
        del kept["sdist"]
    if not wheels and "sdist" not in kept:
        raise Unresolvable(
            f"no file of {entry['name']} {entry['version']} has a hash that the requirement allows",
            why=f"asked for {for_words(request)}",
            hint="add the hashes of the index's files, or drop the hashes: multiplatform.lock has them",
        )
    return kept


def _not_resolved(answer: Captured, request: EnvironmentRequest, index: Index) -> MpforgeError:
    kind = failure(answer)
    if kind in {"unreachable", "gone"}:
        return unreachable(answer, index)
    if kind != "unsolved":
        return unexpected(
            answer, f"resolve the {request.purpose} requirements for {for_words(request)}"
        )
    names = sorted(set(_WHEELLESS.findall(answer.stderr)))
    unknown = sorted(set(_UNKNOWN.findall(answer.stderr)))
    hint = "relax the requirement, or name another index in [index]"
    if unknown:
        hint = (
            f"check the spelling of {', '.join(unknown)}, or name an index that has it in [index]"
        )
    if names:
        hint = (
            f"allow a version of {', '.join(names)} that has a wheel for {for_words(request)}, or "
            f"name an index that has one in [index]"
        )
    if request.purpose == "target":
        hint = (
            f"{hint}; or, if the build needs only the package's headers, leave the package to "
            "build-system.requires: sizes in its headers are then the target's"
        )
    if request.constraints:
        table = "test" if request.purpose == "test" else "build"
        hint = f"{hint}; or relax [{table}] constraints: {', '.join(request.constraints)}"
    return Unresolvable(
        f"nothing satisfies the {request.purpose} requirements for {for_words(request)}: "
        f"{', '.join(shown([text]) for text in request.requirements)}",
        why=explanation(answer),
        hint=hint,
    )


# --- a stand-in for the project under test ------------------------------------------------------


def _beside_stand_in(own: OwnPackage, folder: Path, ask: Ask) -> Captured:
    """Return the answer of ``uv pip compile`` (``ask``, with further arguments) with the stand-in present.

    The project satisfies every requirement of it, whatever the version. ``folder`` is for files. uv takes a
    package that is given as a file from nowhere else, so no index is asked for its name, which may belong to
    an unrelated project there.
    """
    ways = list(_ways(own, folder))
    for more in ways[:-1]:
        answer = ask(more)
        if answer.returncode == 0 or not _names(answer.stderr, own):
            return answer
    return ask(ways[-1])


def _ways(own: OwnPackage, folder: Path) -> Iterator[list[str]]:
    """Yield arguments with which uv takes the stand-in, the best ones first.

    It has its own version, else the highest, else overrides all requirements of it: then uv drops the
    extras that they ask for.
    """
    for version in dict.fromkeys(filter(None, (_normal_version(own), _ANY_VERSION))):
        yield [str(_stand_in(own, version, folder / version))]
    yield ["--overrides", str(_stand_in(own, _ANY_VERSION, folder / _ANY_VERSION))]


def _normal_version(own: OwnPackage) -> str | None:
    """Return the project's version as in a wheel's name; None if it is invalid or unknown."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(own.version)) if own.version else None
    except InvalidVersion:
        return None


def _names(text: str, own: OwnPackage) -> bool:
    """Return whether uv's message names the project."""
    return re.search(rf"(?<![\w.-]){re.escape(normal_name(own.name))}(?![\w-])", text) is not None


def _stand_in(own: OwnPackage, version: str, folder: Path) -> Path:
    """Write the stand-in of a version; return a file with a requirement of it, written beside it."""
    folder.mkdir(exist_ok=True)
    name = normal_name(own.name).replace("-", "_")
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    metadata = ["Metadata-Version: 2.1", f"Name: {own.name}", f"Version: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in own.extras or ()]
    metadata += [f"Requires-Dist: {text}" for text in own.requires]
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join([*metadata, "", ""]))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    file = folder / "standin.txt"
    file.write_text(f"{own.name} @ {wheel.as_uri()}\n", encoding="utf-8")
    return file
