"""``isolation = false``: builds with what the host's interpreter has installed, and nothing else."""

import pytest

from tests.e2e.workspace import Workspace

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
    assert "has not installed no-such-thing>=9" in run.output
    assert "-m pip install 'no-such-thing>=9'" in run.output
    assert bare.wheels() == []
