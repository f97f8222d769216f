"""The files of `mpforge ci` are valid for their services, and GitHub's auditor finds nothing in them."""

import subprocess
import sys
from pathlib import Path

import pytest

from mpforge.cli.main import main

PROGRAMS = Path(sys.executable).parent
SPEC = """\
schema = 1

[project]
python = ["cp311", "cp313"]
targets = ["x86_64", "aarch64"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with a spec, and no file of a CI service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    (tmp_path / "multiplatform.toml").write_text(SPEC)


def run(program: str, *words: str) -> None:
    """Run a program of the tests' environment; it must end with 0."""
    done = subprocess.run([PROGRAMS / program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("service", ["github"])
def test_the_file_has_the_form_that_its_service_asks_for(service: str) -> None:
    assert main(["ci", service]) == 0
    schemas = {"github": ("vendor.github-workflows", ".github/workflows/wheels.yml")}
    schema, path = schemas[service]
    run("check-jsonschema", "--builtin-schema", schema, path)
    if service == "github":
        run("zizmor", "--offline", "--no-progress", "--min-severity", "low", path)
