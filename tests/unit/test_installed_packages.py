"""What an interpreter has installed is known by content: what is edited shows, whoever lists it."""

import json
import os
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, cast

import pytest

from mpforge.obtain.pythons.installed_packages import Installed
from mpforge.store.file_digests import FileDigests


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``site-packages`` with ``plain``, an editable ``mine`` and a .pth file, and what they lead to."""
    for name, text in {
        "site-packages/plain/__init__.py": "A = 1\n",
        "site-packages/plain-1.0.dist-info/METADATA": "Name: plain\nVersion: 1.0\n",
        "site-packages/plain-1.0.dist-info/RECORD": "plain/__init__.py,,\n../bin/plain,,\nnone.py,,\n",
        "site-packages/mine-2.0.dist-info/METADATA": "Name: Mine\nVersion: 2.0\n",
        "site-packages/mine-2.0.dist-info/RECORD": "__editable__mine.py,,\n",
        "site-packages/mine-2.0.dist-info/direct_url.json": json.dumps(
            {"url": f"file://{tmp_path}/checkout%20of%20mine", "dir_info": {"editable": True}}
        ),
        "site-packages/__editable__mine.py": "# a hook\n",
        "site-packages/more.pth": f"{tmp_path}/more\n",
        "bin/plain": "#!/bin/sh\n",
        "checkout of mine/src/mine.py": "B = 1\n",
        "checkout of mine/.venv/pyvenv.cfg": "",
        "more/added.py": "C = 1\n",
        "linked/d.py": "D = 1\n",
        "linked/e.py": "E = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "site-packages" / "linked").symlink_to(tmp_path / "linked")
    (tmp_path / "linked" / "again").symlink_to(tmp_path / "linked")
    (tmp_path / "more" / "e.py").symlink_to(tmp_path / "linked" / "e.py")
    return tmp_path


def parts(place: Path) -> dict[str, str]:
    path = place / "site-packages", place / "more"
    found = {d.metadata["Name"].lower(): d for d in distributions(path=[*map(str, path)])}
    return Installed(cast("Any", None), found, path, FileDigests(place / "remembered.json")).parts()


def written(name: str, text: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        before = (place / name).stat() if (place / name).exists() else None
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
        if before is not None:
            os.utime(place / name, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (written("site-packages/plain/__init__.py", "A = 2\n"), "installed.plain"),
        (written("bin/plain", "#!/bin/bash\n"), "installed.plain"),
        (lambda place: (place / "bin/plain").chmod(0o755), "installed.plain"),
        (written("site-packages/none.py", ""), "installed.plain"),
        (written("site-packages/plain/_new.py", ""), "installed.others.0"),
        (written("site-packages/other.pth", "import x\n"), "installed.others.0"),
        (written("linked/d.py", "D = 2\n"), "installed.others.0"),
        (written("checkout of mine/src/mine.py", "B = 2\n"), "installed.mine.editable"),
        (written("checkout of mine/build/cp311/made.so", ""), "installed.mine.editable"),
        (written("more/added.py", "C = 2\n"), "installed.path.0"),
    ],
)
def test_an_edit_of_what_is_installed_is_told_by_its_name(
    place: Path, change: Callable[[Path], None], name: str
) -> None:
    before = parts(place)
    assert parts(place) == before
    change(place)
    after = parts(place)
    assert {n for n in after if before.get(n) != after[n]} == {name}


def test_a_file_that_two_ways_lead_to_counts_on_both(place: Path) -> None:
    before = parts(place)
    written("linked/e.py", "E = 2\n")(place)
    after = parts(place)
    assert {n for n in after if before[n] != after[n]} == {"installed.others.0", "installed.path.0"}


@pytest.mark.parametrize(
    "name",
    [
        "site-packages/plain/__pycache__/__init__.cpython-311.pyc",
        "checkout of mine/.git/index",
        "checkout of mine/.venv/lib/x.py",
        "checkout of mine/.mpforge/report.jsonl",
        "checkout of mine/dist/mine-2.0.tar.gz",
        "checkout of mine/multiplatform.lock",
    ],
)
def test_what_tools_leave_changes_nothing(place: Path, name: str) -> None:
    before = parts(place)
    written(name, "x")(place)
    assert parts(place) == before


def test_versions_are_told_and_no_directory_of_this_machine_is(place: Path) -> None:
    found = parts(place)
    assert found["installed.plain"].startswith("1.0 ")
    assert str(place) not in str(found)
    assert list(found) == sorted(found)
