"""The launcher: what is written where, without running it."""

import os
from pathlib import Path

import pytest

from mpforge.obtain.emulators import Emulator, own_loader
from mpforge.obtain.pythons.target_python import TargetPython
from mpforge.places import interpreter_launcher
from mpforge.platforms import well_known

QEMU = Emulator(Path("/tools/qemu-aarch64"), "7.2", "d" * 64, "a test")
SYSROOT = Path("/tools/root")
PYTHON = TargetPython(
    "cp311", "3.11.2", SYSROOT, SYSROOT / "usr/bin/python3.11", "e" * 64, "distribution"
)
LONG = "/" + "/".join(["long"] * 40) + "/python"


def package(site: Path, name: str, entry_points: str) -> None:
    folder = site / f"{name}-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(entry_points)


def test_an_emulated_python_is_a_script_that_fixes_model_root_and_name(tmp_path: Path) -> None:
    python = interpreter_launcher.write_launcher(
        tmp_path, python=PYTHON, emulator=QEMU, cpu="cortex-a53"
    )
    assert python == tmp_path / "bin/python"
    assert os.access(python, os.X_OK)
    assert python.read_text().splitlines()[-1] == (
        "exec /tools/qemu-aarch64 -cpu cortex-a53 -L /tools/root"
        f' -0 {python} /tools/root/usr/bin/python3.11 "$@"'
    )


def test_a_python_of_another_c_library_is_started_by_its_own_loader(tmp_path: Path) -> None:
    loader = own_loader(well_known()["x86_64_musl"], SYSROOT)
    python = interpreter_launcher.write_launcher(tmp_path, python=PYTHON, emulator=loader, cpu=None)
    command = f'--argv0 {python} /tools/root/usr/bin/python3.11 "$@"'
    assert python.read_text() == f"#!/bin/sh\nexec /tools/root/lib/ld-musl-x86_64.so.1 {command}\n"
    run = interpreter_launcher.run_prefix(loader, cpu=None, sysroot=SYSROOT)
    assert run == ("/tools/root/lib/ld-musl-x86_64.so.1",)
    (tmp_path / "bin/tool").write_bytes(b"\x7fELF")
    interpreter_launcher.write_entry_points(tmp_path, run=run)
    assert " --argv0 " in (tmp_path / "bin/tool").read_text()


def test_other_names_of_the_interpreter_lead_to_the_launcher(tmp_path: Path) -> None:
    interpreter_launcher.write_launcher(tmp_path, python=PYTHON, emulator=QEMU, cpu=None)
    for name in ("python3", "python3.11"):
        assert os.readlink(tmp_path / "bin" / name) == "python"


def test_the_environment_s_home_has_an_interpreter_that_runs_by_whatever_name(
    tmp_path: Path,
) -> None:
    interpreter_launcher.write_launcher(tmp_path, python=PYTHON, emulator=QEMU, cpu=None)
    assert (tmp_path / "lib/python3.11/site-packages").is_dir()
    configuration = (tmp_path / "pyvenv.cfg").read_text()
    home = Path(configuration.partition("home = ")[2].splitlines()[0])
    script = (home / "python3.11").read_text()
    assert script.endswith(' -0 "$0" /tools/root/usr/bin/python3.11 "$@"\n'), "as it was called"


def test_without_an_emulator_the_interpreter_is_a_link_and_can_replace_a_launcher(
    tmp_path: Path,
) -> None:
    interpreter_launcher.write_launcher(tmp_path, python=PYTHON, emulator=QEMU, cpu=None)
    python = interpreter_launcher.write_launcher(tmp_path, python=PYTHON, emulator=None, cpu=None)
    assert os.readlink(python) == "/tools/root/usr/bin/python3.11"


@pytest.mark.parametrize(
    ("python", "folder"), [("cp313t", "python3.13t"), ("pp311", "pypy3.11"), ("cp39", "python3.9")]
)
def test_packages_lie_where_each_python_looks_for_them(python: str, folder: str) -> None:
    assert interpreter_launcher.site_packages(Path("/v"), python) == Path(
        f"/v/lib/{folder}/site-packages"
    )


def test_a_target_s_program_runs_by_itself_natively_and_under_the_emulator_otherwise() -> None:
    assert interpreter_launcher.run_prefix(None, cpu=None, sysroot=SYSROOT) == ()
    assert interpreter_launcher.run_prefix(QEMU, cpu="a64fx", sysroot=SYSROOT) == (
        *("/tools/qemu-aarch64", "-cpu", "a64fx"),
        *("-L", "/tools/root"),
    )


def test_an_x86_model_is_named_without_qemu_s_warnings_of_features_that_it_lacks(
    tmp_path: Path,
) -> None:
    qemu = Emulator(Path("/tools/qemu-x86_64-static"), "7.2", "d" * 64, "a test")
    prefix = interpreter_launcher.run_prefix(qemu, cpu="Haswell", sysroot=SYSROOT)
    assert prefix[1:3] == ("-cpu", "Haswell,check=off")
    python = interpreter_launcher.write_launcher(
        tmp_path, python=PYTHON, emulator=qemu, cpu="Haswell"
    )
    assert " QEMU_CPU=Haswell,check=off\n" in python.read_text()


def test_scripts_of_packages_start_the_environment_s_interpreter(tmp_path: Path) -> None:
    site = interpreter_launcher.site_packages(tmp_path, "cp311")
    package(site, "tool", "[console_scripts]\ntool = tool.cli:App.run [extra]\n[other]\nx = y:z\n")
    (script,) = interpreter_launcher.write_entry_points(tmp_path)
    assert script.read_text().splitlines() == [
        f"#!{tmp_path}/bin/python",
        "import sys",
        "from tool.cli import App",
        'if __name__ == "__main__":',
        "    sys.exit(App.run())",
    ]
    assert os.access(script, os.X_OK)


def test_a_package_can_displace_neither_the_launcher_nor_a_file_outside(tmp_path: Path) -> None:
    site = interpreter_launcher.site_packages(tmp_path, "cp311")
    package(site, "bad", "[console_scripts]\npython = a:b\n../../evil = a:b\n")
    assert interpreter_launcher.write_entry_points(tmp_path) == ()


def test_a_program_of_the_target_in_bin_is_started_by_the_emulator(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ninja").write_bytes(b"\x7fELF...")
    (tmp_path / "bin/plain").write_text("#!/bin/sh\n")
    interpreter_launcher.write_entry_points(tmp_path, run=("/tools/qemu", "-L", "/tools/root"))
    moved = tmp_path / "programs/ninja"
    assert moved.read_bytes() == b"\x7fELF..."
    command = f'exec /tools/qemu -L /tools/root -0 {tmp_path}/bin/ninja {moved} "$@"\n'
    assert (tmp_path / "bin/ninja").read_text() == f"#!/bin/sh\n{command}"
    assert (tmp_path / "bin/plain").read_text() == "#!/bin/sh\n"


def test_scripts_and_programs_that_uv_left_in_its_target_are_carried_over(tmp_path: Path) -> None:
    programs = interpreter_launcher.site_packages(tmp_path, "cp311") / "bin"
    programs.mkdir(parents=True)
    (programs / "script").write_bytes(b"#!/usr/bin/python3\nprint(1)\n")
    (programs / "far").write_bytes(
        b"#!/bin/sh\n'''exec' '/python' \"$0\" \"$@\"\n' '''\nprint(2)\n"
    )
    (programs / "ninja").write_bytes(b"\x7fELF...")
    interpreter_launcher.write_entry_points(tmp_path, run=("/tools/qemu", "-L", "/tools/root"))
    assert (tmp_path / "bin/script").read_text() == f"#!{tmp_path}/bin/python\nprint(1)\n"
    assert (tmp_path / "bin/far").read_text() == f"#!{tmp_path}/bin/python\nprint(2)\n"
    ninja = (tmp_path / "bin/ninja").read_text()
    assert ninja.endswith(
        f'exec /tools/qemu -L /tools/root -0 {tmp_path}/bin/ninja {programs}/ninja "$@"\n'
    )


@pytest.mark.parametrize("interpreter", ["/with space/python", LONG])
def test_a_path_that_no_first_line_can_hold_goes_through_sh(interpreter: str) -> None:
    text = interpreter_launcher.shebang(Path(interpreter))
    assert text.startswith("#!/bin/sh\n'''exec' ")
    compile(text + "pass\n", "script", "exec")
