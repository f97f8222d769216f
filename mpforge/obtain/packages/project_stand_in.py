"""What stands for the project under test while packages are resolved that may require it.

uv takes a package that is given as a file from nowhere else. The stand-in is a wheel of metadata
alone: the project's name, its extras and what they require. No index is asked for its name, which may
be a stranger's there.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mpforge.plan.requirements import OwnPackage, normal_name
from mpforge.processes import Captured

# Higher than what anybody asks for, where the project's own version is not known or not wanted.
_ANY_VERSION = "99999"


def with_own(own: OwnPackage, folder: Path, ask: Callable[[Sequence[str]], Captured]) -> Captured:
    """What ``uv pip compile``, called by ``ask`` with further arguments, answers with the project there.

    What is tested serves whoever requires it, whatever version they want. ``folder`` is for files.
    """
    ways = list(_ways(own, folder))
    for more in ways[:-1]:
        answer = ask(more)
        if answer.returncode == 0 or not _names(answer.stderr, own):
            return answer
    return ask(ways[-1])


def _ways(own: OwnPackage, folder: Path) -> Iterator[list[str]]:
    """Arguments with which uv takes the stand-in, the best ones first.

    It has its own version, else the highest, else overrides what anybody requires: then uv drops the
    extras that they want of it.
    """
    for version in dict.fromkeys(filter(None, (_normal_version(own), _ANY_VERSION))):
        yield [str(_requirement(own, version, folder / version))]
    yield ["--overrides", str(_requirement(own, _ANY_VERSION, folder / _ANY_VERSION))]


def _normal_version(own: OwnPackage) -> str | None:
    """The project's version as it stands in a wheel's name; None where it is none or not known."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(own.version)) if own.version else None
    except InvalidVersion:
        return None


def _names(text: str, own: OwnPackage) -> bool:
    """Whether uv's message speaks of the project."""
    return re.search(rf"(?<![\w.-]){re.escape(normal_name(own.name))}(?![\w-])", text) is not None


def _requirement(own: OwnPackage, version: str, folder: Path) -> Path:
    """A file with a requirement of the stand-in of a version, which is written beside it."""
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
