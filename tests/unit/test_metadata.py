"""What a wheel requires on a target that is not this machine."""

import zipfile
from pathlib import Path

import pytest

from mpforge.engine.metadata import requirements_of

METADATA = """\
Metadata-Version: 2.1
Name: p
Version: 1
Requires-Dist: always>=1
Requires-Dist: arm-only; platform_machine == "aarch64"
Requires-Dist: intel-only ; platform_machine == "x86_64"
Requires-Dist: old; python_version < "3.12"
Requires-Dist: windows-only; sys_platform == "win32"
Requires-Dist: quick[all]>=2; extra == "fast"
Requires-Dist: both; extra == "fast" and python_version >= "3.12"
Provides-Extra: fast

Requires-Dist: not-a-header
"""
FOREIGN = "Metadata-Version: 2.1\nName: other\nVersion: 1\nRequires-Dist: of-another\n"


@pytest.fixture(name="wheel")
def _wheel(tmp_path: Path) -> Path:
    path = tmp_path / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("p/_vendor/other-1.dist-info/METADATA", FOREIGN)
        file.writestr("p/__init__.py", "")
        file.writestr("p-1.dist-info/METADATA", METADATA)
    return path


@pytest.mark.parametrize(
    ("target", "python", "extras", "expected"),
    [
        ("aarch64", "cp311", (), ("always>=1", "arm-only", "old")),
        ("x86_64", "cp311", (), ("always>=1", "intel-only", "old")),
        ("x86_64", "cp313", (), ("always>=1", "intel-only")),
        ("x86_64", "cp313t", (), ("always>=1", "intel-only")),
        ("aarch64", "cp311", ("fast",), ("always>=1", "arm-only", "old", "quick[all]>=2")),
        ("aarch64", "cp313", ("fast",), ("always>=1", "arm-only", "both", "quick[all]>=2")),
        ("aarch64", "cp313", ("unknown",), ("always>=1", "arm-only")),
    ],
)
def test_markers_are_those_of_the_target_and_its_python(
    wheel: Path, target: str, python: str, extras: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert requirements_of(wheel, target=target, python=python, extras=extras) == expected
