"""Packages of the host's distribution for any architecture, without root and without its dpkg.

apt gets a private state (its own lists, status and cache) for each suite and architecture, so the
host's package database is neither read nor written. Downloaded packages are kept by sha256: a later
run needs no network. Only named packages are fetched, with the libraries that they depend on where a
request says so. A request for the architecture ``source`` is for the sources as their authors released them.
This module does not know a package's purpose.
"""

import contextlib
import hashlib
import math
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge import processes
from mpforge.errors import IndexUnreachable, PinGone, ToolUnavailable
from mpforge.obtain.distro.archive import MIRROR_VARIABLE, Archive, host_archive, last_lines
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest
from mpforge.store.files import hash_file, seconds_since_written, unwritable
from mpforge.store.locks import alone
from mpforge.store.process_homes import Home, private_directory

_SECURITY = "-security"
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
_KEYRING = "/usr/share/keyrings/{distribution}-archive-keyring.gpg"
# Names of library packages, by Debian's policy; not those for development and data.
_LIBRARY = re.compile(r"(?!libc6$)lib.+(?<!-dev)(?<!-data)(?<!-bin)(?<!-common)")
_DEPENDS = ("depends", "pre-depends")

SOURCE = "source"
"""The word for an architecture of requests for source packages."""

# A line of a Checksums-Sha256 field (deb-src-control(5)) that is for the authors' own archive.
_ORIGINAL = re.compile(r"^ ([0-9a-f]{64}) (\d+) \S+\.orig\.tar\.\w+$", re.MULTILINE)

_FETCHED = "fetched"
_FRESH_SECONDS = 3600.0
_ARCHITECTURES = ("APT::Architecture", "APT::Architectures")


def host_distribution() -> tuple[str, str] | None:
    """Return the host's (id, codename), e.g. ``("debian", "bookworm")``, if its apt can be used.

    ``None`` if apt-get or dpkg-deb is missing, or the distribution is unknown.
    """
    if not _has_apt():
        return None
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    name, suite = release["ID"], release.get("VERSION_CODENAME")
    return (name, suite) if suite and name in _COMPONENTS else None


def _has_apt() -> bool:
    return all(map(shutil.which, ("apt-get", "dpkg-deb")))


def libraries_among(depends: str) -> tuple[str, ...]:
    """Return the libraries that a Depends field (deb-control(5)) names, each clause's first choice.

    The C library is left out: programs that are unpacked here run on the host's.
    """
    clauses = (re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", clause) for clause in depends.split(","))
    names = (clause[1] for clause in clauses if clause is not None)
    return tuple(dict.fromkeys(name for name in names if _LIBRARY.fullmatch(name)))


def parse_stanzas(text: str) -> tuple[Mapping[str, str], ...]:
    """Return the stanzas of ``apt-cache show``, each field's first line only (deb-control(5))."""
    stanzas = []
    for block in re.split(r"\n\s*\n", text):
        fields = re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*)$", block, re.MULTILINE)
        if fields:
            stanzas.append({name.lower(): value.strip() for name, value in fields})
    return tuple(stanzas)


def resolve(request: DistroRequest, *, state: Path, newest: bool = False) -> DistroPin:
    """Return the newest packages that the archive has for ``request``, with their sha256 and sizes.

    Lists that were fetched within the hour are not fetched again, unless ``newest``. Raises
    ``IndexUnreachable`` when the archive does not answer, ``ToolUnavailable`` without apt or where the
    archive lacks a package.
    """
    apt = _Apt(request, _writable(state))
    with apt.lock():
        apt.update(unless_younger=0 if newest else _FRESH_SECONDS)
        found = apt.show(*request.names)
        libraries = apt.libraries_of(request.names) if request.libraries else ()
    missing = [name for name in request.names if name not in found]
    if missing:
        raise ToolUnavailable(
            f"{request.distribution} {request.suite} has no package {', '.join(missing)}"
            f" for {request.architecture}"
        )
    return DistroPin(request, (*(found[name] for name in request.names), *libraries))


def fetch(pin: DistroPin, *, state: Path, dest: Path) -> None:
    """Unpack exactly the pinned packages into ``dest``, downloading those that are not cached yet.

    Each file's sha256 is checked here, whatever apt has checked. Raises ``PinGone`` when the archive
    no longer has a pinned file, ``IndexUnreachable`` when it does not answer, ``ToolUnavailable``
    without apt.
    """
    kept = state / "downloads"
    if not all(_is_kept(kept, package) for package in pin.packages):
        state = _writable(state)
        kept = state / "downloads"
        apt = _Apt(pin.request, state)
        with apt.lock():
            _download(apt, [p for p in pin.packages if not _is_kept(kept, p)], kept)
    dest.mkdir(parents=True, exist_ok=True)
    for package in pin.packages:
        file = _kept_file(kept, package)
        if pin.request.architecture == SOURCE:
            _unpack_sources(file, dest / package.name)
            continue
        unpacked = processes.capture(["dpkg-deb", "-x", str(file), str(dest)])
        if unpacked.returncode != 0:
            raise ToolUnavailable(
                f"the package {package.name} could not be unpacked", why=last_lines(unpacked.stderr)
            )


def _unpack_sources(file: Path, dest: Path) -> None:
    """Unpack an archive of sources, without the directory in which they are."""
    from mpforge.formats.tar import tarfile

    with tarfile.open(file) as archive:
        archive.extractall(dest, filter="data")
    (top,) = dest.iterdir()
    for entry in [*top.iterdir()]:
        entry.rename(dest / entry.name)
    top.rmdir()


def _writable(state: Path) -> Path:
    """Return ``state``, or a private directory of this process if it can't be written."""
    return state if unwritable(state) is None else private_directory() / "distribution"


def _kept_file(kept: Path, package: DistroPackage) -> Path:
    return kept / f"{package.name}-{package.sha256}.deb"


def _is_kept(kept: Path, package: DistroPackage) -> bool:
    """Return whether the file is cached and intact; a damaged one is removed."""
    file = _kept_file(kept, package)
    try:
        if hash_file(file).digest == package.sha256:
            return True
    except FileNotFoundError:
        return False
    file.unlink(missing_ok=True)
    return False


def _download(apt: "_Apt", packages: Sequence[DistroPackage], kept: Path) -> None:
    """Download missing packages; a failure may only mean that our lists are old, so retry once."""
    kept.mkdir(parents=True, exist_ok=True)
    apt.update(unless_younger=math.inf)
    missing = _take(apt, packages, kept)
    if not missing:
        return
    apt.update(unless_younger=0)
    missing = _take(apt, missing, kept)
    for package in missing:
        offered = apt.show(f"{package.name}={package.version}").get(package.name)
        if offered is not None and offered.sha256 != package.sha256:
            raise PinGone(
                f"{apt.name} has another file of {package.name} {package.version}",
                why=f"its sha256 is {offered.sha256}, the lock pins {package.sha256}",
                hint=f"restore the lock, or run: mpforge lock --update {package.name}",
            )
        if offered is None:
            raise PinGone(
                f"{package.name} {package.version} is no longer in {apt.name}",
                why=_instead(apt.show(package.name).get(package.name)),
                hint=f"mpforge lock --update {package.name}",
            )
    if missing:
        names = ", ".join(package.name for package in missing)
        raise IndexUnreachable(
            f"{apt.name} did not download {names}",
            why=apt.last_error,
            hint=f"run it again later, or set {MIRROR_VARIABLE} to a mirror that has it",
        )


def _instead(newest: DistroPackage | None) -> str:
    if newest is None:
        return "it has no package of this name"
    return f"it has {newest.version} now, {newest.sha256[:12]}"


def _take(apt: "_Apt", packages: Sequence[DistroPackage], kept: Path) -> tuple[DistroPackage, ...]:
    """Download packages into ``kept``; return those that are missing or have another sha256."""
    with contextlib.closing(Home(kept / ".arriving")) as arriving:
        apt.download(packages, arriving.path)
        files = (file for glob in ("*.deb", "*.orig.tar.*") for file in arriving.path.glob(glob))
        arrived = {hash_file(file).digest: file for file in files}
        for package in packages:
            if package.sha256 in arrived:
                os.replace(arrived[package.sha256], _kept_file(kept, package))
    return tuple(package for package in packages if package.sha256 not in arrived)


class _Apt:
    """apt with a state of its own for one suite and architecture."""

    def __init__(self, request: DistroRequest, state: Path) -> None:
        """Set it up for a request. Raises ``ToolUnavailable`` if the host has no apt."""
        if not _has_apt():
            raise ToolUnavailable(
                f"no apt on this host to fetch {request.names[0]} ({request.architecture}) with",
                hint="use a Debian or Ubuntu host, or give the program by a path",
            )
        distribution, suite = request.distribution, request.suite
        self.name = f"the {distribution} archive ({suite}, {request.architecture})"
        self.last_error: str | None = None
        self._root = state.absolute() / f"{distribution}-{suite}-{request.architecture}"
        self._request = request
        self._of_sources = request.architecture == SOURCE
        self._archives = [(suite.removesuffix(_SECURITY), host_archive(distribution))]
        if suite.endswith(_SECURITY):
            self._archives.append((suite, host_archive(distribution, security=True)))

    def lock(self) -> AbstractContextManager[object]:
        """Return the lock to hold while the lists or the downloads of this state change.

        On a file system without locks apt's own lock fails with a message.
        """
        return alone(self._root / ".lock", waits=lambda: None, warn=lambda _: None)

    def update(self, *, unless_younger: float) -> None:
        """Fetch the archive's lists, unless those present are younger than so many seconds.

        Raises ``IndexUnreachable``.
        """
        is_same = self._lay_out()
        if is_same and self._age() < unless_younger:
            return
        stamp = self._root / _FETCHED
        stamp.unlink(missing_ok=True)
        done = self._run("apt-get", "-qq", "update")
        if done.returncode != 0:
            raise IndexUnreachable(
                f"{self.name} did not answer",
                why=last_lines(done.stderr),
                hint="check the network and the host's apt sources,"
                f" or set {MIRROR_VARIABLE} to a mirror",
            )
        stamp.touch()

    def _age(self) -> float:
        """Return the age of the lists in seconds; infinite if they are missing or from the future."""
        kind = "*Sources*" if self._of_sources else "*Packages*"
        is_there = any((self._root / "lists").glob(kind))
        return seconds_since_written(self._root / _FETCHED) if is_there else math.inf

    def show(self, *specs: str) -> Mapping[str, DistroPackage]:
        """Return packages as the lists have them (``NAME``: the newest, or ``NAME=VERSION``), by name."""
        if self._of_sources:
            return dict(_sources(self._run("apt-cache", "showsrc", *specs).stdout))
        return {name: _package_of(name, fields) for name, fields in self._stanzas(specs).items()}

    def libraries_of(self, names: Sequence[str]) -> tuple[DistroPackage, ...]:
        """Return the libraries that packages depend on, directly or not, by name."""
        found: dict[str, Mapping[str, str]] = {}
        asked, wanted = set(names), tuple(names)
        while wanted:
            stanzas = self._stanzas(wanted)
            found |= stanzas
            depends = ", ".join(
                fields.get(key, "") for fields in stanzas.values() for key in _DEPENDS
            )
            wanted = tuple(name for name in libraries_among(depends) if name not in asked)
            asked |= set(wanted)
        return tuple(_package_of(name, found[name]) for name in sorted(found.keys() - set(names)))

    def _stanzas(self, specs: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """Return the lists' stanzas of packages that have a file, by name."""
        done = self._run("apt-cache", "show", "--no-all-versions", *specs)
        found: dict[str, Mapping[str, str]] = {}
        for fields in parse_stanzas(done.stdout):
            if "package" in fields and "sha256" in fields:
                found.setdefault(fields["package"], fields)
        return found

    def download(self, packages: Sequence[DistroPackage], into: Path) -> None:
        """Download exact versions into a directory; after a failure the file is missing."""
        specs = [f"{package.name}={package.version}" for package in packages]
        get = ("source", "--download-only") if self._of_sources else ("download",)
        done = self._run("apt-get", "-qq", *get, *specs, cwd=into)
        if done.returncode != 0:
            self.last_error = last_lines(done.stderr)
            for spec in specs if len(specs) > 1 else ():
                self._run("apt-get", "-qq", *get, spec, cwd=into)

    def _lay_out(self) -> bool:
        """Write apt's state; return whether it is for the same archive as before."""
        for folder in ("lists/partial", "cache/archives/partial", "etc"):
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        (self._root / "status").touch()
        lines = [self._source(suite, archive) for suite, archive in self._archives]
        place, text = self._root / "etc" / "sources.list", "".join(lines)
        if place.is_file() and place.read_text("utf-8", "replace") == text:
            return True
        place.write_text(text, encoding="utf-8")
        return False

    def _source(self, suite: str, archive: Archive) -> str:
        """Return a line of sources.list(5)."""
        distribution = self._request.distribution
        keyring = archive.signed_by or _KEYRING.format(distribution=distribution)
        options = [f"signed-by={keyring}"] if Path(keyring).exists() else []
        options += ["trusted=yes"] if archive.trusted else []
        brackets = f"[{' '.join(options)}] " if options else ""
        components = _COMPONENTS.get(distribution, "main")
        kind = "deb-src" if self._of_sources else "deb"
        return f"{kind} {brackets}{archive.address} {suite} {components}\n"

    def _run(self, program: str, *words: str, cwd: Path | None = None) -> processes.Captured:
        root = self._root
        options = {
            "Dir::State": root,
            "Dir::State::lists": root / "lists",
            "Dir::State::status": root / "status",
            "Dir::Cache": root / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",  # images for containers turn it off
            "Dir::Etc::sourcelist": root / "etc" / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
        }
        if not self._of_sources:
            options |= dict.fromkeys(_ARCHITECTURES, self._request.architecture)
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        # apt's messages are quoted to the user, never parsed; C keeps them in the log's language.
        environment = {**os.environ, "LC_ALL": "C"}
        return processes.capture([program, *given, *words], environment=environment, cwd=cwd)


def _sources(text: str) -> Iterator[tuple[str, DistroPackage]]:
    """Yield the source packages of ``apt-cache showsrc`` by name, from old to new, as the lists have them."""
    for stanza in re.split(r"\n\s*\n", text):
        (fields,) = parse_stanzas(stanza) or ({},)
        listed = stanza.partition("\nChecksums-Sha256:")[2]
        original = _ORIGINAL.search(re.split(r"^\S", listed, maxsplit=1, flags=re.MULTILINE)[0])
        if original is not None and "package" in fields:
            name, sha256, size = fields["package"], original[1], int(original[2])
            yield name, DistroPackage(name, fields["version"], sha256, size)


def _package_of(name: str, fields: Mapping[str, str]) -> DistroPackage:
    return DistroPackage(name, fields["version"], fields["sha256"], int(fields["size"]))


def digest_of(pin: DistroPin, *words: str) -> str:
    """Return the identity of a tool made from a pin: names, versions, hashes, and how it was made."""
    lines = [f"{p.name} {p.version} {p.sha256}" for p in pin.packages]
    return hashlib.sha256("\n".join([*lines, *words]).encode()).hexdigest()
