"""``isolation = false``: builds with what the host's interpreter has installed, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from mpforge.obtain.pythons import host_python
from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

BACKEND = """
    import tarfile
    import zipfile
    from importlib.util import find_spec

    INFO = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n"
    FILES = {
        "tiny/__init__.py": f"PACKAGING = {find_spec('packaging') is not None}\\n",
        "tiny-1.0.dist-info/METADATA": INFO,
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\n"
        "Root-Is-Purelib: true\\nTag: py3-none-any\\n",
        "tiny-1.0.dist-info/RECORD": "",
    }


    def get_requires_for_build_wheel(config_settings=None):
        return ["no-such-thing>=9"] if open("asks").read().strip() else []


    def build_wheel(directory, config_settings=None, metadata_directory=None):
        with zipfile.ZipFile(f"{directory}/tiny-1.0-py3-none-any.whl", "w") as archive:
            for name, text in FILES.items():
                archive.writestr(name, text)
        return "tiny-1.0-py3-none-any.whl"


    def build_sdist(directory, config_settings=None):
        with tarfile.open(f"{directory}/tiny-1.0.tar.gz", "w:gz") as archive:
            for name in ("pyproject.toml", "backend.py", "asks"):
                archive.add(name, f"tiny-1.0/{name}")
        return "tiny-1.0.tar.gz"
"""
PYPROJECT = """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["."]
    [project]
    name = "tiny"
    version = "1.0"
    requires-python = ">=3.9"
"""
BUILD = "build-aarch64-cp311"


@pytest.fixture(name="bare")
def _bare(unbuilt: Workspace) -> Workspace:
    unbuilt.write("pyproject.toml", PYPROJECT)
    unbuilt.write("backend.py", BACKEND)
    unbuilt.write("asks", "\n")
    unbuilt.edit("multiplatform.toml", "environment = {}", "isolation = false\npure = true")
    return unbuilt


def test_a_build_without_isolation_installs_nothing(bare: Workspace) -> None:
    run = bare.nox(BUILD)
    assert run.code == 0, str(run)
    assert bare.steps() == ["sdist", "wheel-aarch64-cp311", "repair-aarch64-cp311"]
    assert bare.wheel().name == "tiny-1.0-py3-none-any.whl"
    assert bare.nox(BUILD).did == set()


@pytest.mark.parametrize("by", ["pyproject.toml", "the backend", "the spec"])
def test_a_build_requirement_that_the_host_lacks_is_named_with_the_command(
    bare: Workspace, by: str
) -> None:
    if by == "pyproject.toml":
        bare.edit("pyproject.toml", "requires = []", 'requires = ["no-such-thing>=9"]')
    elif by == "the backend":
        bare.write("asks", "yes\n")
    else:
        bare.edit(
            "multiplatform.toml", "pure = true", 'pure = true\nrequires = ["no-such-thing>=9"]'
        )
    run = bare.mpforge("run", BUILD)
    assert run.code == 4, str(run)
    assert " lacks no-such-thing>=9" in run.output
    assert "-m pip install 'no-such-thing>=9'" in run.output
    assert bare.wheels() == []


# --- what is installed is part of the key -----------------------------------------------------


@pytest.fixture
def python(place: Path) -> Path:
    """This host's CPython under a prefix of its own, with site-packages that may be written to."""
    original = host_python.find("cp311").executable.parents[1]
    home = place / "pyenv" / "versions" / "3.11.7"
    library = home / "lib" / "python3.11"
    (library / "site-packages").mkdir(parents=True)
    (home / "bin").mkdir()
    shutil.copy2(original / "bin" / "python3.11", home / "bin")
    (home / "include").symlink_to(original / "include")
    for entry in (original / "lib" / "python3.11").iterdir():
        if entry.name != "site-packages":
            (library / entry.name).symlink_to(entry)
    return home


def install(python: Path, name: str, files: dict[str, str], project: Path | None = None) -> Path:
    """Install a package by writing its files; with a ``project`` it is an editable one."""
    site = python / "lib" / "python3.11" / "site-packages"
    info = f"{name}-1.0.dist-info"
    files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    if project is not None:
        told = {"url": project.as_uri(), "dir_info": {"editable": True}}
        files[f"{info}/direct_url.json"] = json.dumps(told)
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files)
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    return site


@pytest.mark.parametrize("how", ["in place", "a directory on its path", "an import hook"])
def test_an_edited_build_requirement_builds_again(
    bare: Workspace, empty_cache: Cache, python: Path, place: Path, how: str
) -> None:
    helper, project = "VALUE = 1\n", place / "helper"
    (project / "src").mkdir(parents=True)
    edited = project / "src" / "helper.py"
    edited.write_text(helper, encoding="utf-8")
    if how == "in place":
        edited = install(python, "helper", {"helper.py": helper}) / "helper.py"
    elif how == "a directory on its path":
        install(python, "helper", {"helper.pth": f"{edited.parent}\n"}, project)
    else:
        hook = (
            "import importlib.util, sys\n"
            f"spec = importlib.util.spec_from_file_location('helper', {str(edited)!r})\n"
            "class Finder:\n"
            "    def find_spec(name, path=None, target=None):\n"
            "        return spec if name == 'helper' else None\n"
            "sys.meta_path.append(Finder)\n"
        )
        files = {"_hook.py": hook, "_hook.pth": "import _hook\n"}
        install(python, "helper", files, project)
    bare.cache = empty_cache
    bare.variables["PYENV_ROOT"] = str(python.parents[1])
    bare.edit("pyproject.toml", "requires = []", 'requires = ["helper"]')
    bare.edit("backend.py", "import tarfile", "import helper\nimport tarfile")
    bare.edit("backend.py", "{find_spec('packaging') is not None}", "{helper.VALUE}")

    assert bare.nox(BUILD).code == 0
    before = bare.wheel().read_bytes()
    assert bare.nox(BUILD).did == set()
    edited.write_text(helper.replace("1", "2"), encoding="utf-8")
    run = bare.nox(BUILD)
    assert run.code == 0, str(run)
    assert "wheel-aarch64-cp311" in bare.steps()
    assert bare.wheel().read_bytes() != before
    assert "installed.helper" in bare.mpforge("explain", "--all", BUILD).output
