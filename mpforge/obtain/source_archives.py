"""Fetch archives of sources from addresses that the spec names, verified by their sha256.

``debian:pool/…`` is a path in Debian's archive: its mirror is this host's own, by apt's configuration.
No code of an archive runs.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from mpforge.errors import HashMismatch, IndexUnreachable, ToolUnavailable
from mpforge.obtain.distro import archive
from mpforge.obtain.packages.package_index import without_credentials

MIRROR_VARIABLE = "MPFORGE_SOURCE_MIRROR"
"""The variable with a directory, or an address, where sources are looked for first."""
_SECONDS = 60.0


def fetch(urls: Sequence[str], sha256: str, folder: Path, what: str) -> Path:
    """Return the archive with this sha256, from the first address that has it, as a file in ``folder``.

    Raises ``HashMismatch`` if only others were found, ``IndexUnreachable`` if none was; both name all
    addresses.
    """
    told: list[str] = []
    differs = False
    for url in (*_in_mirror(urls), *urls):
        place = _place(folder, url)
        answer, why = look(url, sha256, folder)
        if answer == "found":
            return place
        differs = differs or answer == "differs"
        told.append(f"{without_credentials(url)}: {why}")
    if differs:
        raise HashMismatch(
            f"{what} has another sha256 than the spec gives: {sha256}",
            why="\n".join(told),
            hint="the file was replaced, or the digest in [libraries] is wrong: compare it with the one "
            "that the project publishes",
        )
    raise IndexUnreachable(
        f"{what} could not be fetched from any of its {len(told)} addresses"
        if len(told) > 1
        else f"{what} could not be fetched",
        why="\n".join(told),
        hint="check the network; behind a proxy, set HTTPS_PROXY; or add a mirror to the list `url`, "
        f"or set {MIRROR_VARIABLE} to a directory that has the file",
    )


def look(
    url: str, sha256: str, folder: Path
) -> tuple[Literal["found", "differs", "unreachable"], str]:
    """Fetch an archive from one address into ``folder``; return whether it is the one, and why not."""
    try:
        found = _download(_address(url), _place(folder, url))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error  # urllib wraps the system's error
        return "unreachable", without_credentials(str(why))
    return ("found", "") if found == sha256 else ("differs", f"its sha256 is {found}")


def _place(folder: Path, url: str) -> Path:
    return folder / (unquote(PurePosixPath(urlsplit(url).path).name) or "source")


def _in_mirror(urls: Sequence[str]) -> tuple[str, ...]:
    """Return where the environment's mirror has the archive: by the file's name in any address."""
    given = os.environ.get(MIRROR_VARIABLE)
    if not given:
        return ()
    base = Path(given).absolute().as_uri() if "://" not in given else given.rstrip("/")
    names = dict.fromkeys(PurePosixPath(urlsplit(url).path).name for url in urls)
    return tuple(f"{base}/{name}" for name in names)


def _address(url: str) -> str:
    """Return a path of Debian's archive on this host's mirror; others unchanged. Raises ``OSError``."""
    scheme, _, path = url.partition(":")
    if scheme != "debian":
        return url
    try:
        return f"{archive.host_archive('debian').address}/{path}"
    except ToolUnavailable as error:
        raise OSError(f"{error.what}: {error.hint}") from None


def _download(url: str, place: Path) -> str:
    """Download a file; return its sha256. Raises ``OSError``, ``ValueError``."""
    if urlsplit(url).scheme not in ("https", "http", "file"):
        raise ValueError("not an address with https, http or file")
    with urlopen(url, timeout=_SECONDS) as answer, place.open("wb") as file:  # noqa: S310 - checked
        shutil.copyfileobj(answer, file)
    return hashlib.sha256(place.read_bytes()).hexdigest()
