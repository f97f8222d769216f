"""`mpforge doctor` as it is called."""

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


def test_doctor_tells_of_this_host_in_plain_text_and_makes_and_fetches_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "multiplatform.lock").write_text("{")
    done = mpforge(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mpforge" in done.stdout.splitlines()[0]
    assert "namespaces" in done.stdout
    assert "\x1b" not in done.stdout
    assert "multiplatform.lock: " in done.stdout  # it is damaged
    assert [path.name for path in tmp_path.iterdir()] == ["multiplatform.lock"]


def test_doctor_answers_programs_and_says_what_would_help_without_a_runtime(tmp_path: Path) -> None:
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
    assert found["containers"]["engine"] is None
    assert NOWHERE in found["containers"]["why"]
    assert "start it" in found["containers"]["remedy"]
    assert found["containers"]["runs"] == []
    images = targets["aarch64"]["images"]
    if found["isolation"]["extent"] in ("mounts", "whole"):
        assert "without a container runtime" in images["why"]
        assert images["strategies"] == []
        assert found["containers"]["why"] in images["why"]
        assert images["remedy"] == 'set runtime = "sandbox" in [build]'
    else:
        assert images["strategies"] == []
        assert images["why"] == found["containers"]["why"]


def test_doctor_without_programs_names_the_remedies(tmp_path: Path) -> None:
    found = json.loads(mpforge(tmp_path, "doctor", "--json", PATH=str(tmp_path)).stdout)
    assert [p["name"] for p in found["programs"] if p["path"] is None] == ["git", "make", "gcc"]
    assert all(program["remedy"] for program in found["programs"])
    other = "aarch64" if found["platform"] != "aarch64" else "x86_64"
    test = next(target["test"] for target in found["targets"] if target["name"] == other)
    assert test["how"] == "no"


# --- containers -------------------------------------------------------------------------------


def real() -> str:
    """The address of the runtime that this user has."""
    return endpoint.address(os.environ) or ""


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
