"""A stand-in for the project under test while packages that may require it are resolved.

uv takes a package that is given as a file from nowhere else. The stand-in is a wheel of metadata
alone: the project's name, its extras and their requirements. No index is asked for its name, which may
belong to an unrelated project there.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mpforge.plan.requirements import OwnPackage, normal_name
from mpforge.processes import Captured

# Higher than any required version, for a project whose own version is unknown or does not fit.
_ANY_VERSION = "99999"


def with_own(own: OwnPackage, folder: Path, ask: Callable[[Sequence[str]], Captured]) -> Captured:
    """Return the answer of ``uv pip compile`` (``ask``, with further arguments) with the stand-in present.

    The project satisfies every requirement of it, whatever the version. ``folder`` is for files.
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
        yield [str(_requirement(own, version, folder / version))]
    yield ["--overrides", str(_requirement(own, _ANY_VERSION, folder / _ANY_VERSION))]


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


def _requirement(own: OwnPackage, version: str, folder: Path) -> Path:
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
