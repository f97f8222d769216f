"""Source distributions of packages that have no wheel: their addresses and their build requirements.

A fetched file is verified by its sha256. No code of it runs.
"""

import base64
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from mpforge.errors import HashMismatch, IndexUnreachable, PinGone, TomlInvalid, Unresolvable
from mpforge.formats.tar import tarfile
from mpforge.formats.toml import read_toml
from mpforge.obtain.packages.package_index import Index, without_credentials
from mpforge.obtain.packages.uv import explanation, uv
from mpforge.obtain.packages.wheel_choice import IndexFile, index_file, python_version
from mpforge.plan.pins import Package

_SECONDS = 60.0
_LEGACY = ("setuptools>=40.8.0",)  # PEP 518's default
_HARMED = (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, LookupError)


def obtain(package: Package, folder: Path, index: Index, *, python: str) -> Path:
    """Fetch the pinned sdist of a package for a Python like ``cp311`` into ``folder``.

    Raises ``PinGone``, ``HashMismatch``, ``IndexUnreachable``.
    """
    with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as name:
        asked, answered = Path(name) / "requirements.txt", Path(name) / "pylock.toml"
        asked.write_text(f"{package.name}=={package.version}\n", encoding="utf-8")
        arguments = ["pip", "compile", "-q", "--no-header", "--format", "pylock.toml", "--no-deps"]
        arguments += ["--python-version", python_version(python)]
        arguments += ["--no-binary", package.name, "--output-file", str(answered), str(asked)]
        answer = uv(arguments, index=index)
        table = read_toml(answered.read_bytes(), "uv's answer") if answer.returncode == 0 else {}
    for entry in table.get("packages", []):
        if "sdist" in entry:
            sdist = index_file(entry["sdist"])
            if f"sha256:{sdist.sha256}" not in package.hashes:
                raise HashMismatch(
                    f"{package.name} {package.version}: the index's sdist differs from the pinned one",
                    hint=f"run `mpforge lock --update {package.name}` if you trust the new file",
                )
            return _fetch(sdist, folder, index)
    raise PinGone(
        f"{package.name} {package.version}: its sdist is pinned, but the index does not have it",
        why=explanation(answer) or None,
        hint=f"mpforge lock --update {package.name}",
    )


def build_requires(sdist: IndexFile, index: Index) -> tuple[str, ...]:
    """Fetch an sdist and return its ``build-system.requires``. Raises as ``obtain``."""
    with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as name:
        archive = _fetch(sdist, Path(name), index)
        try:
            return requires_of(_pyproject(archive))
        except TomlInvalid as error:
            raise Unresolvable(f"{sdist.filename} can't be read", why=error.what) from None
        except _HARMED as error:
            raise Unresolvable(f"{sdist.filename} can't be read", why=str(error)) from None


def requires_of(pyproject: str | None) -> tuple[str, ...]:
    """Return the build requirements of a pyproject.toml (None: the file is missing), sorted.

    Raises ``ValueError``, ``TomlInvalid``.
    """
    document = read_toml(pyproject, "pyproject.toml") if pyproject is not None else {}
    table = document.get("build-system")
    wanted = table.get("requires", ()) if isinstance(table, dict) else _LEGACY
    if not isinstance(wanted, list | tuple) or not all(isinstance(one, str) for one in wanted):
        raise ValueError("build-system.requires is not a list of strings")
    return tuple(sorted(wanted))


def _pyproject(archive: Path) -> str | None:
    """Return the text of an sdist's pyproject.toml, or None if it has none."""

    def is_it(name: str) -> bool:
        return name.removeprefix("./").count("/") == 1 and name.endswith("/pyproject.toml")

    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            names = [name for name in packed.namelist() if is_it(name)]
            return packed.read(names[0]).decode("utf-8") if names else None
    with tarfile.open(archive) as tar:
        members = [member for member in tar if is_it(member.name) and member.isfile()]
        file = tar.extractfile(members[0]) if members else None
        return file.read().decode("utf-8") if file is not None else None


def _fetch(sdist: IndexFile, folder: Path, index: Index) -> Path:
    """Download an sdist's file, verify it, and return its path."""
    request = Request(sdist.address, headers=_authorization(sdist.address, index))  # noqa: S310 - of the index
    place = folder / sdist.filename
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            data = answer.read()
    except (OSError, ValueError) as error:
        raise IndexUnreachable(
            f"{sdist.filename} could not be fetched from {without_credentials(sdist.address)}",
            why=without_credentials(str(error)),
            hint="check the network; behind a proxy, set HTTPS_PROXY",
        ) from None
    if hashlib.sha256(data).hexdigest() != sdist.sha256:
        raise HashMismatch(f"{sdist.filename}: its sha256 is not the one that the index lists")
    place.write_bytes(data)
    return place


def _authorization(address: str, index: Index) -> dict[str, str]:
    """Return a header with the spec's credentials, for its own index only."""
    named = index.url or next(iter(index.extra), "")
    if urlsplit(address).netloc != urlsplit(named).netloc or not index.password_env:
        return {}
    words = (os.environ.get(name or "", "") for name in (index.username_env, index.password_env))
    token = base64.b64encode(":".join(words).encode()).decode()
    return {"Authorization": f"Basic {token}"}
