"""`mpforge init` and `mpforge doctor` as they are called."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from mpforge.housekeeping.cache_contents import PLATFORMS_RUN
from mpforge.places.containers import endpoint, runtime_probe
from mpforge.processes import Captured
from mpforge.store import notes
from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Workspace
from tests.images.container_runtime import ContainerRuntime

PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "p"
version = "1"
requires-python = ">=3.11"
[tool.cibuildwheel]
test-command = "pytest {project}/tests"
test-requires = "pytest"
before-all = "yum install -y zlib-devel"
"""


NOWHERE = "unix:///nonexistent/docker.sock"


def mpforge(folder: Path, *words: str, **variables: str) -> Captured:
    """Run a command, with no runtime to ask unless DOCKER_HOST is given."""
    workspace = Workspace(folder, Cache(folder / "cache"))
    environment = {"DOCKER_HOST": NOWHERE, **variables}
    with (
        tempfile.TemporaryFile() as errors,
        workspace.started("mpforge", *words, env=environment, stderr=errors.fileno()) as running,
    ):
        done = running.end()
        errors.seek(0)
        return Captured(done.code, done.output, errors.read().decode())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def test_init_writes_a_spec_that_check_finds_good(project: Path) -> None:
    done = mpforge(project, "init")
    assert (done.returncode, done.stderr) == (0, "")
    assert "wrote multiplatform.toml: cp311 cp312 cp313 cp314 for x86_64, aarch64" in done.stdout
    assert "before-all: " in done.stdout
    assert "  import mpforge.sessions\n  mpforge.sessions.register()\n" in done.stdout
    assert sorted(p.name for p in project.iterdir()) == ["multiplatform.toml", "pyproject.toml"]
    assert mpforge(project, "check").returncode == 0


def test_a_second_init_changes_nothing(project: Path) -> None:
    spec = project / "multiplatform.toml"
    spec.write_text("mine\n")
    done = mpforge(project, "init")
    assert (done.returncode, done.stdout) == (2, "")
    assert "multiplatform.toml is there already" in done.stderr
    assert spec.read_text() == "mine\n"


def test_a_link_that_leads_nowhere_is_no_free_place(project: Path) -> None:
    (project / "multiplatform.toml").symlink_to("elsewhere.toml")
    assert mpforge(project, "init").returncode == 2
    assert not (project / "elsewhere.toml").exists()


def test_init_leaves_a_noxfile_as_it_is(project: Path) -> None:
    noxfile = project / "noxfile.py"
    noxfile.write_text("import nox\n")
    done = mpforge(project, "init")
    assert "add these two lines" in done.stdout
    assert noxfile.read_text() == "import nox\n"
    (project / "multiplatform.toml").unlink()
    noxfile.write_text("import mpforge.sessions\nmpforge.sessions.register()\n")
    assert "already" in mpforge(project, "init").stdout


def test_init_reads_an_unpacked_sdist_s_requires_python(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    metadata = "Metadata-Version: 2.1\nName: p\nVersion: 1\nRequires-Python: >=3.13\n"
    (tmp_path / "PKG-INFO").write_text(metadata)
    assert "wrote multiplatform.toml: cp313 cp314 for" in mpforge(tmp_path, "init").stdout


def test_init_says_which_backend_does_not_cross(project: Path) -> None:
    text = PROJECT.replace("setuptools.build_meta", "nobody.knows").replace("setuptools>=77", "m")
    (project / "pyproject.toml").write_text(text)
    assert (
        "note: nobody.knows (build-backend = 'nobody.knows') is not known to cross"
        in mpforge(project, "init").stdout
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "neither pyproject.toml nor setup.py"),
        (b"[project\n", "pyproject.toml:1:9: toml-invalid: Expected ']'"),
        (b"name = '\xff'\n", "pyproject.toml is not UTF-8"),
    ],
)
def test_init_without_a_readable_project_writes_nothing(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "pyproject.toml").write_bytes(content)
    done = mpforge(tmp_path, "init")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "multiplatform.toml").exists()


def test_doctor_tells_of_this_host_in_plain_text(tmp_path: Path) -> None:
    done = mpforge(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mpforge" in done.stdout.splitlines()[0]
    assert "namespaces" in done.stdout
    assert "\x1b" not in done.stdout


def test_doctor_makes_and_fetches_nothing(tmp_path: Path) -> None:
    assert mpforge(tmp_path, "doctor").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_doctor_answers_programs_with_a_schema(tmp_path: Path) -> None:
    found = json.loads(mpforge(tmp_path, "doctor", "--json").stdout)
    assert found["schema"] == 1
    targets = {target["name"]: target for target in found["targets"]}
    assert {"x86_64", "aarch64", "s390x", "windows_x86_64"} <= targets.keys()
    if found["platform"] is not None:
        own = targets[found["platform"]]
        assert (own["build"]["how"], own["test"]["how"]) == ("native", "native")
    here = f"cp3{sys.version_info.minor}"
    assert here in [python["python"] for python in found["host_pythons"]]
    allowed = found["isolation"]["used"]
    assert found["isolation"]["network"] == ("none" if allowed else "open")
    assert found["store"]["path"] == str((tmp_path / "cache").resolve())


def test_doctor_without_programs_names_the_remedies(tmp_path: Path) -> None:
    found = json.loads(mpforge(tmp_path, "doctor", "--json", PATH=str(tmp_path)).stdout)
    assert [p["name"] for p in found["programs"] if p["path"] is None] == ["git", "make", "gcc"]
    assert all(program["remedy"] for program in found["programs"])
    other = "aarch64" if found["platform"] != "aarch64" else "x86_64"
    test = next(target["test"] for target in found["targets"] if target["name"] == other)
    assert test["how"] == "no"


def test_doctor_says_that_a_lock_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "multiplatform.lock").write_text("{")
    done = mpforge(tmp_path, "doctor")
    assert done.returncode == 0
    assert "multiplatform.lock: " in done.stdout


# --- containers -------------------------------------------------------------------------------


def real() -> str:
    """The address of the runtime that this user has."""
    return endpoint.address(os.environ) or ""


def test_doctor_without_a_runtime_says_so_and_what_would_help(tmp_path: Path) -> None:
    found = json.loads(mpforge(tmp_path, "doctor", "--json").stdout)
    assert found["containers"]["engine"] is None
    assert NOWHERE in found["containers"]["why"]
    assert "start it" in found["containers"]["remedy"]
    assert found["containers"]["runs"] == []
    images = {target["name"]: target["images"] for target in found["targets"]}
    assert images["aarch64"] == {
        "strategies": [],
        "why": found["containers"]["why"],
        "remedy": found["containers"]["remedy"],
    }


@pytest.mark.docker
def test_doctor_names_the_runtime_and_how_it_runs_each_platform(
    tmp_path: Path, emulating_runtime: ContainerRuntime
) -> None:
    told = emulating_runtime.call("version", "--format", "{{.Server.Version}}")
    found = json.loads(mpforge(tmp_path, "doctor", "--json", DOCKER_HOST=real()).stdout)
    runtime, runs = found["containers"]["engine"], found["containers"]["runs"]
    assert runtime["version"].startswith(f"{told} (API ")
    assert runtime["name"] in {"Docker", "Podman"}
    assert runtime["endpoint"] == real()
    how = {run["name"]: run for run in runs}
    assert how.keys() == set(runtime_probe.PROBED)
    assert how[runtime["platform"]]["how"] == "native"
    images = {target["name"]: target["images"] for target in found["targets"]}
    assert images[runtime["platform"]]["strategies"] == ["native"]
    if runtime["platform"] != "aarch64":
        assert how["aarch64"]["how"] == "emulated"
        assert how["aarch64"]["why"].startswith(f"qemu-aarch64 version {how['aarch64']['qemu']}")
        assert images["aarch64"]["strategies"] == ["hybrid", "emulate"]
    assert all(run["remedy"] for run in runs if run["how"] == "no")


@pytest.mark.docker
@pytest.mark.usefixtures("runtime")
def test_doctor_asks_the_runtime_anew_and_later_runs_remember_it(tmp_path: Path) -> None:
    memory = tmp_path / "cache" / PLATFORMS_RUN
    assert mpforge(tmp_path, "doctor", DOCKER_HOST=real()).returncode == 0
    assert runtime_probe.Probes(memory).remembered(real(), NATIVE) == "native"
    known = notes.load(memory)
    assert isinstance(known, dict)
    platforms = dict.fromkeys(known[real()]["platforms"], "outdated")
    notes.keep(memory, {real(): {**known[real()], "platforms": platforms}})
    assert runtime_probe.Probes(memory).remembered(real(), NATIVE) == "outdated"
    assert mpforge(tmp_path, "doctor", DOCKER_HOST=real()).returncode == 0
    assert notes.load(memory)[real()]["platforms"] == known[real()]["platforms"]
