"""A test environment on this very machine: the same layout and the same guard, no emulator."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.kinds import test_guard
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.places import cpu_probe, interpreter_launcher

PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    base = Path(sys.base_prefix, "bin", f"python{PYTHON[2]}.{PYTHON[3:]}")
    python = TargetPython(PYTHON, platform.python_version(), Path("/"), base, "0" * 64, "host")
    interpreter_launcher.write_launcher(tmp_path / "venv", python=python, emulator=None, cpu=None)
    return tmp_path / "venv"


def run(
    *argv: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """What the program printed; it must end well."""
    words = [str(word) for word in argv]
    answer = processes.capture(words, environment=environment or {}, cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_a_native_environment_finds_its_own_packages_and_itself(venv: Path) -> None:
    (interpreter_launcher.site_packages(venv, PYTHON) / "mine.py").write_text("answer = 42\n")
    code = "import mine, sys; print(mine.answer, sys.prefix, sys.executable)"
    assert run(venv / "bin/python", "-c", code) == f"42 {venv} {venv}/bin/python"


def test_the_guard_tells_of_the_package_s_modules_that_are_not_the_installed_ones(
    venv: Path, tmp_path: Path
) -> None:
    evidence, site = tmp_path / "evidence", interpreter_launcher.site_packages(venv, PYTHON)
    test_guard.write_guard(site, evidence=evidence, modules=("mine",))
    (site / "mine").mkdir()
    (site / "mine" / "__init__.py").touch()
    checkout = tmp_path / "checkout"
    (checkout / "mine").mkdir(parents=True)
    (checkout / "mine" / "__init__.py").touch()

    run(venv / "bin/python", "-I", "-c", "import mine", cwd=checkout)
    assert test_guard.read_evidence(evidence) == test_guard.Evidence(1, (os.uname().machine,), ())

    run(venv / "bin/python", "-c", "import mine", cwd=checkout)
    told = test_guard.read_evidence(evidence)
    assert told.processes == 2
    assert told.foreign_imports == (("mine", str(checkout / "mine" / "__init__.py")),)


def test_a_guard_that_cannot_write_leaves_the_program_alone(venv: Path, tmp_path: Path) -> None:
    site = interpreter_launcher.site_packages(venv, PYTHON)
    test_guard.write_guard(site, evidence=tmp_path / "no" / "where", modules=("mine",))
    assert run(venv / "bin/python", "-c", "print('fine')") == "fine"


def test_the_probe_answers_for_itself_and_for_a_child_without_environment(venv: Path) -> None:
    facts = cpu_probe.parse(run(venv / "bin/python", cpu_probe.__file__))
    assert facts["machine"] == facts["bare"]["machine"] == os.uname().machine
    assert facts.get("brand") == facts["bare"].get("brand")


def test_scripts_run_from_a_path_that_no_first_line_can_hold(tmp_path: Path) -> None:
    base = Path(sys.base_prefix, "bin", f"python{PYTHON[2]}.{PYTHON[3:]}")
    python = TargetPython(PYTHON, platform.python_version(), Path("/"), base, "0" * 64, "host")
    home = tmp_path / "with space"
    interpreter_launcher.write_launcher(home, python=python, emulator=None, cpu=None)
    folder = interpreter_launcher.site_packages(home, PYTHON) / "tool-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[console_scripts]\ntool = platform:machine\n")
    (script,) = interpreter_launcher.write_entry_points(home)
    answer = processes.capture([str(script)], environment={})
    assert (answer.returncode, answer.stderr.strip()) == (1, os.uname().machine)
