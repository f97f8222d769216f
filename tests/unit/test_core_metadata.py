"""What a wheel says of itself."""

import zipfile
from pathlib import Path

import pytest

from mpforge.artifacts.core_metadata import own_package
from mpforge.errors import WheelRejected

METADATA = """\
Metadata-Version: 2.1
Name: P.q
Version: 1.0
Requires-Dist: always>=1
Requires-Dist: quick[all]>=2; extra == "fast"
Provides-Extra: fast

Requires-Dist: not-a-header
"""
FOREIGN = "Metadata-Version: 2.1\nName: other\nVersion: 1\nRequires-Dist: of-another\n"


def _wheel(folder: Path, metadata: str) -> Path:
    path = folder / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("p/_vendor/other-1.dist-info/METADATA", FOREIGN)
        file.writestr("p/__init__.py", "")
        file.writestr("p-1.dist-info/METADATA", metadata)
    return path


def test_a_wheel_says_its_name_version_requirements_and_extras(tmp_path: Path) -> None:
    own = own_package(_wheel(tmp_path, METADATA))
    assert (own.name, own.version, own.extras) == ("P.q", "1.0", ("fast",))
    assert own.requires == ("always>=1", 'quick[all]>=2; extra == "fast"')


def test_a_wheel_with_requirements_that_are_none_is_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(WheelRejected, match=r"p-1-py3-none-any\.whl: its Requires-Dist '>>1'"):
        own_package(_wheel(tmp_path, METADATA.replace("always>=1", ">>1")))
