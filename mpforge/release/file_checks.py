"""Check files as an index would: names, tags, metadata, sizes; before the first of them is uploaded."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.artifacts import wheels
from mpforge.errors import ReleaseRejected, WheelRejected
from mpforge.plan.requirements import normal_name

_PLATFORMS = ("any", "manylinux", "musllinux", "macosx_", "win", "ios_", "android_", "pyodide_")
"""How platform tags begin that PyPI accepts; ``linux_x86_64`` promises nothing about the system."""
_PYPI_LIMIT = 100 * 1000 * 1000


@dataclass(frozen=True)
class _Told:
    """What a file's name and metadata say: project and version."""

    name: str
    version: str


def check(files: Sequence[Path], *, public: bool) -> list[str]:
    """Check files that are to be uploaded together; return warnings. Raises ``ReleaseRejected``.

    ``public``: PyPI's own rules count too, which private indexes don't have.
    """
    faults: list[str] = []
    told: dict[_Told, str] = {}
    names: set[str] = set()
    for file in files:
        if file.name in names:
            faults.append(
                f"{file.name}: dist/ has two files with this name, and an index accepts only one"
            )
        names.add(file.name)
        try:
            told.setdefault(_check(file, faults, public=public), file.name)
        except (WheelRejected, tarfile.TarError, OSError, EOFError, ValueError, KeyError) as error:
            why = error.what if isinstance(error, WheelRejected) else str(error)
            faults.append(f"{file.name}: it can't be read: {why}")
    if len(told) > 1:
        words = (f"{one.name} {one.version} ({file})" for one, file in told.items())
        faults.append(f"their names or versions differ: {', '.join(words)}")
    if faults:
        raise ReleaseRejected(
            "a package index would reject these files; nothing was uploaded",
            why="\n".join(faults),
            hint="correct the project's metadata, or the spec's targets, and build again",
        )
    large = [file for file in files if public and file.stat().st_size > _PYPI_LIMIT]
    return [
        f"{file.name} is {file.stat().st_size / 1e6:.0f} MB; PyPI's limit is 100 MB, unless it granted the "
        "project more"
        for file in large
    ]


def _check(file: Path, faults: list[str], *, public: bool) -> _Told:
    """Add a file's faults to ``faults``; return the project and version that it names."""
    if file.name.endswith(".whl"):
        name = wheels.wheel_name(file.name)
        told, text = _Told(normal_name(name.name), name.version), wheels.metadata_bytes(file)
        odd = [tag for tag in name.platforms if not tag.startswith(_PLATFORMS)]
        faults += [f"{file.name}: PyPI refuses the platform tag {tag}" for tag in odd if public]
    else:
        from packaging.utils import parse_sdist_filename

        project, version = parse_sdist_filename(file.name)
        told, text = _Told(normal_name(project), str(version)), _pkg_info(file)
    faults += [f"{file.name}: {fault}" for fault in _of_metadata(text, told, public=public)]
    return told


def _pkg_info(sdist: Path) -> bytes:
    """Return the bytes of an sdist's PKG-INFO. Raises ``ValueError`` if it has none."""
    with tarfile.open(sdist) as tar:
        for member in tar:
            if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                file = tar.extractfile(member)
                if file is not None:
                    return file.read()
    raise ValueError("it has no PKG-INFO")


def _of_metadata(text: bytes, told: _Told, *, public: bool) -> Iterator[str]:
    """Yield what is wrong with core metadata, and where it contradicts the file's name."""
    from packaging.metadata import InvalidMetadata, Metadata

    try:
        metadata = Metadata.from_email(text)
    except ExceptionGroup as group:
        for error in group.exceptions:
            field = f"{error.field}: " if isinstance(error, InvalidMetadata) else ""
            yield f"metadata: {field}{error}"
        return
    if (normal_name(metadata.name), str(metadata.version)) != (told.name, told.version):
        yield f"its metadata says {metadata.name} {metadata.version}"
    if public and metadata.version.local:
        yield f"PyPI refuses the version {metadata.version}: a local part is for private builds"
