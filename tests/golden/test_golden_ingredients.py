"""Whole keys: each kind of step, in each place that changes its key, has its ingredients in a golden file.

The engine's own code gives them, on a host that does not exist: every program, interpreter, package,
emulator and image is a fixed one. A difference here changes the keys of all users' stored results.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from mpforge.kinds.container_runtime import Containers
from mpforge.kinds.inputs import Inputs
from mpforge.kinds.step_ingredients import Provision, Shipped
from mpforge.kinds.step_places import Places
from mpforge.kinds.target_machines import Machines
from mpforge.kinds.toolbox import Toolbox
from mpforge.obtain import emulators
from mpforge.obtain.distro import apt
from mpforge.obtain.emulators import Emulator
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.rust import host_rust
from mpforge.obtain.rust.host_rust import HostRust
from mpforge.obtain.step_programs import Programs
from mpforge.places.containers import root_probe, runtime_probe
from mpforge.plan.pins import (
    DistroPackage,
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    ImageRequest,
    Package,
)
from mpforge.plan.places import InImage, Machine
from mpforge.plan.reporter import SILENT
from mpforge.plan.requirements import OwnPackage
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import (
    AskRequirements,
    BuildLibrary,
    BuildWheel,
    CheckFiles,
    Command,
    CopyFiles,
    FetchCommit,
    FetchCrates,
    FetchSdist,
    FetchSource,
    HostTool,
    Identity,
    InstallPackages,
    MakeSdist,
    OutputOf,
    ProjectFiles,
    RepairWheel,
    RunCommands,
    RunOnWheel,
    RunTests,
    ShippedFiles,
    Step,
    TakeLibrary,
    Tools,
    Variables,
)
from mpforge.plan.texts import Placeholder, ShellLine
from mpforge.plan.toolchains import (
    Compilers,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    ZigInImage,
)
from mpforge.platforms import Platform
from mpforge.sources.git import VcsState
from mpforge.store.trees import Directory, FileNode, from_entries
from mpforge.toolchains import gcc
from mpforge.workspace import Workspace

HERE = Path(__file__).parent / "ingredients"


def sha(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


# --- a host that does not exist ----------------------------------------------------------------


@dataclass(frozen=True)
class Host:
    """What differs between hosts: an emulator, a Rust, roots for tests; how its runtime runs images."""

    emulator: bool = True
    roots: bool = True
    rust: bool = False
    runs: str = runtime_probe.NATIVE


def python(word: str) -> HostPython:
    parts = (("version", f"3.{word[3:]}.7"), ("executable", sha(word)), ("library", sha("library")))
    return HostPython(
        python=word,
        version=f"3.{word[3:]}.7",
        digest=sha(repr(parts)),
        abiflags="",
        multiarch="x86_64-linux-gnu",
        sysconfigdata_name="_sysconfigdata__linux_x86_64-linux-gnu",
        includes=(),
        executable=Path("/usr/bin/python"),
        parts=parts,
        stamp=(),
        path=(),
    )


class FakePins(Pins):
    """A lock that has an answer to everything: version 1.0 of what was asked for."""

    def __init__(self) -> None:
        files = SimpleNamespace(
            files=lambda path, **_: tree(f"{path}/pyproject.toml"), wheel=lambda _: HERE
        )
        self.paths = cast("Any", files)

    def environment(
        self, request: EnvironmentRequest, own: OwnPackage | None = None
    ) -> EnvironmentPin:
        packages = []
        for name in request.requirements:
            package = Package(name, "1.0", (f"sha256:{sha(name)}",))
            if name == "unbuilt":
                package = replace(package, sdist=True, build_requires=("setuptools",))
            elif name == "beside":
                package = Package(name, "", (), path="../beside", build_requires=("flit",))
            packages.append(package)
        pin = EnvironmentPin(request, tuple(packages))
        return pin if own is None else pin.without(own.name)

    def distribution(self, request: DistroRequest) -> DistroPin:
        named = (DistroPackage(name, "1.0-1", sha(name), 1000) for name in request.names)
        return DistroPin(request, tuple(named))

    def image(self, request: ImageRequest, resolve: Callable[[], ImagePin]) -> ImagePin:
        return ImagePin(request, f"sha256:{sha(request.name + request.platform)}", is_local=False)


class FakePrograms(Programs):
    def _known(self, names: Any) -> dict[str, str]:
        return {name: sha(Path(name).name) for name in names}

    def _python(self) -> str:
        return f"3.11.7 {sha('python')} {sha('library')}"

    def _library(self, name: str) -> str:
        return sha(f"library of {name}")


class FakeToolbox(Toolbox):
    def __init__(self, workspace: Workspace, pins: Pins) -> None:
        super().__init__(workspace, pins, SILENT)
        self.programs = FakePrograms(self.tools)

    def host_python(self, word: str) -> HostPython:
        return python(word)

    def installed(self, word: str) -> Any:
        parts = {f"installed.{name}": f"1.0 {sha(name)}" for name in ("pip", "setuptools")}
        return SimpleNamespace(parts=lambda: parts)


class FakeContainers(Containers):
    host: Host

    def how(self, platform: Platform) -> str:
        return self.host.runs


class FakeInputs(Inputs):
    files = cast("Any", None)
    vcs = cast("Any", None)

    def __init__(self) -> None:
        self.files = tree(
            "Cargo.lock", "Cargo.toml", "pyproject.toml", "src/a.c", "tests/test_a.py"
        )
        self.vcs = VcsState(sha("head"), 7, "main", (), ("tag",), ("row",), ("M src/a.c",))

    def read(self, path: str) -> str | None:
        return '[package]\nname = "a"\nversion = "1"\n' if path == "Cargo.toml" else None


def tree(*paths: str) -> Directory:
    return from_entries({path: FileNode(sha(path), 1, False) for path in paths})


# --- the steps ---------------------------------------------------------------------------------

SOURCE = ProjectFiles()
ENVIRONMENT = OutputOf("environment")
ZIG_REQUEST = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
ZIG = Compilers(HostZig(ZIG_REQUEST, cross=True), "aarch64", "manylinux_2_28", "cp311")
NATIVE_ZIG = replace(ZIG, target="x86_64", toolchain=HostZig(ZIG_REQUEST, cross=False))
GCC = Compilers(HostGcc(), "x86_64", "manylinux_2_28", "cp311")
EMULATED = Machine("aarch64", True, "cortex-a53")
IMAGE = InImage(ImageRequest("an/image", "aarch64"))
CROSS_IMAGE = InImage(ImageRequest("a/cross-image", "x86_64"))
LINE = ShellLine(("make ", Placeholder("jobs")))
LAYER = replace(
    IMAGE,
    before=(ShellLine(("dnf install -y openssl-devel",)),),
    network=True,
    environment=(("CC", (Placeholder("triple"), "-gcc")),),
)


def compilers_of_image(place: InImage, *, cross: bool = False) -> Compilers:
    return replace(ZIG, toolchain=CrossImage(place) if cross else ImageCompiler(place))


def packages(purpose: Any, *names: str, platform: str = "x86_64") -> EnvironmentRequest:
    return EnvironmentRequest(purpose, "cp311", platform, names)


def wheel(compilers: Compilers | None, **more: Any) -> BuildWheel:
    fields = {"environment": ENVIRONMENT, "exclude": ("docs",), "tests": ("tests",), **more}
    return BuildWheel(source=SOURCE, python="cp311", compilers=compilers, **fields)


def question(hook: Any, compilers: Compilers | None, **more: Any) -> AskRequirements:
    return AskRequirements(hook, SOURCE, ENVIRONMENT, "cp311", compilers, **more)


def run_tests(machine: Machine, **more: Any) -> RunTests:
    fields = {"python": "cp311", "environment": ENVIRONMENT, **more}
    lines = (ShellLine(("pytest",)),)
    return RunTests(ShippedFiles("build"), SOURCE, ("tests/*",), lines, machine, **fields)


def commands(compilers: Compilers, **more: Any) -> RunCommands:
    return RunCommands(
        SOURCE,
        ("docs",),
        (LINE,),
        ("out/*",),
        compilers,
        compilers.target,
        compilers.policy,
        **more,
    )


def library(**more: Any) -> BuildLibrary:
    compilers = replace(ZIG, python=None, configurer="autotools")
    target = compilers.target, compilers.policy
    return BuildLibrary("xml", OutputOf("source"), (LINE,), compilers, *target, **more)


LIBRARIES = (("zlib", OutputOf("library")),)
SETTINGS = (("--build-option", ("-v",)),)
WHEEL_TAG = ("aarch64", "cp311", "manylinux_2_28")
REPAIRED = RepairWheel(OutputOf("wheel"), *WHEEL_TAG)
OWN = RunOnWheel(
    OutputOf("wheel"),
    ProjectFiles(),
    ("docs/**",),
    (LINE,),
    replaces=True,
    target="aarch64",
    policy="manylinux_2_28",
    python="cp311",
    environment=OutputOf("environment"),
    target_environment=OutputOf("environment"),
    libraries=LIBRARIES,
)

CASES: dict[str, Command | Step | tuple[Command, Host]] = {
    "install-build": InstallPackages(packages("build", "setuptools", "wheel")),
    "install-answered": InstallPackages(
        packages("build", "setuptools"), extra=OutputOf("question")
    ),
    "install-built-here": InstallPackages(packages("test", "beside", "unbuilt")),
    "install-tests": InstallPackages(
        packages("test", "pytest", platform="aarch64"), ShippedFiles("build"), ("fast",)
    ),
    "install-image": InstallPackages(packages("image", "setuptools", platform="aarch64")),
    "install-target": InstallPackages(packages("target", "numpy", platform="aarch64")),
    "crates": FetchCrates(SOURCE, "stable"),
    "crates-host-rust": (FetchCrates(SOURCE, "stable"), Host(rust=True)),
    "question-sdist": question("sdist", None),
    "question-wheel-zig": question("wheel", ZIG, config_settings=SETTINGS, before=(LINE,)),
    "question-wheel-image": question("wheel", compilers_of_image(IMAGE)),
    "sdist": MakeSdist(ProjectFiles(vcs=True), ENVIRONMENT, "cp311", config_settings=SETTINGS),
    "sdist-compilers-rust": MakeSdist(
        SOURCE, ENVIRONMENT, "cp311", compilers=GCC, rust="stable", crates=OutputOf("crates")
    ),
    "sdist-host-packages": MakeSdist(SOURCE, None, "cp311", wanted=("setuptools>=77",)),
    "wheel-pure": wheel(None),
    "wheel-host-packages": wheel(None, environment=None, wanted=("setuptools>=77",)),
    "wheel-of-sdist": replace(wheel(None), source=OutputOf("sdist")),
    "wheel-zig-native": wheel(NATIVE_ZIG),
    "wheel-zig-cross": wheel(ZIG, before=(LINE,), config_settings=SETTINGS, frontend="uv"),
    "wheel-zig-emulator": wheel(replace(ZIG, configurer="cmake", emulator=EMULATED)),
    "wheel-zig-pinned-emulator": (wheel(replace(ZIG, emulator=EMULATED)), Host(emulator=False)),
    "wheel-target-packages": wheel(ZIG, target_environment=OutputOf("environment")),
    "wheel-gcc": wheel(GCC),
    "wheel-rust": wheel(replace(ZIG, configurer="cargo", rust="stable"), crates=OutputOf("crates")),
    "wheel-host-rust": (wheel(replace(NATIVE_ZIG, rust="stable")), Host(rust=True)),
    "wheel-image": wheel(compilers_of_image(IMAGE)),
    "wheel-image-sources": wheel(
        compilers_of_image(replace(IMAGE, before=(LINE,), sources=("src/**",)))
    ),
    "wheel-image-emulated": (wheel(compilers_of_image(IMAGE)), Host(runs="qemu 7.2.0")),
    "wheel-before-all": wheel(compilers_of_image(LAYER)),
    "wheel-cross-image": wheel(compilers_of_image(CROSS_IMAGE, cross=True)),
    "wheel-hybrid": (
        wheel(replace(ZIG, toolchain=ZigInImage(ZIG_REQUEST, IMAGE))),
        Host(runs="qemu 7.2.0"),
    ),
    "repair": REPAIRED,
    "repair-options": RepairWheel(
        OutputOf("wheel"),
        *WHEEL_TAG,
        pure=True,
        only_pure="its metadata",
        optional=("_fast",),
        exclude=("libz.so.1",),
        arguments=("--strip",),
        provided=("Plugin_*",),
        target_environment=OutputOf("environment"),
    ),
    "commands-zig": commands(replace(ZIG, python=None)),
    "commands-gcc": commands(replace(GCC, python=None)),
    "commands-image": commands(replace(compilers_of_image(IMAGE), python=None)),
    "commands-make-install": commands(
        replace(ZIG, python=None, configurer="autotools"), installs=True
    ),
    "commands-libraries": commands(replace(ZIG, python=None), libraries=LIBRARIES),
    "source-fetched": FetchSource(("https://example.org/a.tar.gz",), sha("a.tar.gz")),
    "source-sdist": FetchSdist("tiny", "1.0", sha("tiny.tar.gz"), "cp311"),
    "source-commit": FetchCommit("https://example.org/a.git", "5" * 40),
    "source-copied": CopyFiles("vendor/zlib"),
    "patches": CopyFiles(patches=("a.patch", "b.patch")),
    "library": library(),
    "library-options": library(patches=OutputOf("patches"), shared=True, libraries=LIBRARIES),
    "library-taken": TakeLibrary("blas", OutputOf("environment"), "aarch64", "manylinux_2_28"),
    "install-library": InstallPackages(packages("library", "numpy", platform="aarch64")),
    "wheel-libraries": wheel(ZIG, libraries=LIBRARIES),
    "repair-libraries": replace(
        REPAIRED, libraries=LIBRARIES, identities=(("zlib", Identity("1.3", "Zlib", shared=True)),)
    ),
    "own-repair": OWN,
    "own-check": replace(OWN, replaces=False, target_environment=None, libraries=()),
    "test-native": run_tests(Machine("x86_64", False, None), outputs=("coverage.xml",)),
    "test-emulated": run_tests(EMULATED, before=(LINE,)),
    "test-emulated-pinned": (run_tests(EMULATED), Host(emulator=False)),
    "test-emulated-program": run_tests(EMULATED, python=None, environment=None),
    "test-emulated-on-host": (run_tests(EMULATED, before=(LINE,)), Host(roots=False)),
    "test-image": run_tests(replace(EMULATED, emulated=False, place=IMAGE)),
    "test-image-emulated": (run_tests(replace(EMULATED, place=IMAGE)), Host(runs="qemu 7.2.0")),
    "check": CheckFiles(ShippedFiles("build"), *WHEEL_TAG, provided=("Plugin_*",)),
    "variables-and-tools": Step(
        "x",
        "x",
        wheel(ZIG),
        Variables((("A", ("1", Placeholder("target"))),), ("TAKEN", "UNSET"), ("TOKEN",)),
        network=True,
        tools=Tools((packages("tool", "cmake"),), (HostTool("python3"), HostTool("swig", ">=4"))),
    ),
    "tools-of-image": Step(
        "x", "x", wheel(compilers_of_image(IMAGE)), tools=Tools((), (HostTool("swig", ">=4"),))
    ),
}


# --- the fakes at the edges --------------------------------------------------------------------


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name, "utf-8")
    path.chmod(0o755)
    return path


def _gcc(folder: Path) -> Callable[..., SimpleNamespace]:
    """What a gcc answers whose files are all in a folder."""
    for name in (*gcc._DRIVERS.values(), *gcc._PROGRAMS, *gcc._FILES):
        _file(folder / name)
    told = "Target: x86_64-linux-gnu\nConfigured with: ../configure\ngcc version 12.2.0\n"
    dirs = f"programs: ={folder}\nlibraries: ={folder}\n"
    return lambda *_, **__: SimpleNamespace(stdout=dirs, stderr=told)


@pytest.fixture
def _fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("MPFORGE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CARGO_HOME", str(_file(tmp_path / "cargo" / "config.toml").parent))
    (tmp_path / "cargo" / "config.toml").write_text("[net]\nretry = 3\n", "utf-8")
    monkeypatch.setenv("TAKEN", "a value")
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "6", "", "x86_64")))
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr(zlib, "ZLIB_RUNTIME_VERSION", "1.2.13")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    monkeypatch.setattr("mpforge.keys.walk.__version__", "0")
    monkeypatch.setattr(apt, "host_distribution", lambda: ("debian", "bookworm"))
    monkeypatch.setattr(gcc, "capture", _gcc(tmp_path / "bin"))
    monkeypatch.setattr("mpforge.kinds.image_place.cpu_identity", lambda: "this CPU")
    qemu = DistroRequest("debian", "bookworm", "amd64", ("qemu-user-static",))
    monkeypatch.setattr(emulators, "distro_request", lambda *_: qemu)


def ingredients_of(
    case: Command | Step | tuple[Command, Host], place: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    case, host = case if isinstance(case, tuple) else (case, Host())
    step = case if isinstance(case, Step) else Step("x", "x", case)
    sysroot = place / "rust"
    for name in ("bin/cargo", "bin/rustc", "lib/librustc_driver-1.so"):
        _file(sysroot / name)
    for triple in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"):
        _file(sysroot / "lib" / "rustlib" / triple / "lib" / "libcore-1.rlib")
    found = HostRust("stable", sysroot) if host.rust else ("no toolchain",)
    monkeypatch.setattr(host_rust, "find", lambda *_: found)
    qemu = Emulator(Path("/usr/bin/qemu"), "7.2.0", sha("qemu"), "PATH")
    monkeypatch.setattr(emulators, "host_emulator", lambda _: qemu if host.emulator else None)
    monkeypatch.setattr(root_probe, "can_emulate", lambda *_: host.roots)
    pins, workspace = FakePins(), Workspace(place / "multiplatform.toml", place / "cache")
    pins.lock = cast("Any", SimpleNamespace(packages_of=pins.distribution))
    toolbox = FakeToolbox(workspace, pins)
    machines = Machines(workspace, pins, toolbox)
    containers = FakeContainers(workspace, pins, toolbox)
    containers.host = host
    others = (
        Step("environment", "", InstallPackages(packages("build"))),
        Step("question", "", question("wheel", None)),
        Step("crates", "", FetchCrates(SOURCE, "stable")),
        Step("sdist", "", MakeSdist(SOURCE, ENVIRONMENT, "cp311")),
        Step("wheel", "", wheel(None)),
        Step("source", "", CopyFiles("vendor/zlib")),
        Step("patches", "", CopyFiles(patches=("a.patch",))),
        Step("library", "", library()),
    )
    outputs = {other.id: tree(f"{other.id}/file") for other in others}
    outputs["sdist"] = from_entries({"tree/setup.py": FileNode(sha("setup.py"), 1, False)})
    result = SimpleNamespace(facts={"requirements": '["cython"]'}, log="log")
    log = b"building 'pkg._fast' extension\n"
    own = OwnPackage("own", ("idna", 'cffi; extra == "fast"'), ("fast",))
    shipped = Shipped(tree("own.whl"), lambda: tree("own.whl"), lambda: own)
    provision = Provision(
        plan=Plan("x86_64", (), (*others, step)),
        store=cast("Any", SimpleNamespace(read=lambda _: log)),
        toolbox=toolbox,
        pins=pins,
        inputs=FakeInputs(),
        machines=lambda: machines,
        places=Places(
            toolbox, lambda: machines, lambda: containers, cast("Any", None), FakeInputs()
        ),
        posargs=("-x",),
        shipped={"build": shipped},
    )
    given = provision.given(step, lambda name: (cast("Any", result), outputs[name]))
    key, listed = provision.key(step, given)
    return {"key": key} | {i.name: i.value for i in sorted(listed, key=lambda i: i.name)}


@pytest.mark.usefixtures("_fixed")
@pytest.mark.parametrize("name", CASES)
def test_a_step_has_exactly_its_golden_ingredients(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ingredients_of(CASES[name], tmp_path, monkeypatch)
    golden = HERE / f"{name}.json"
    if request.config.getoption("--regenerate-golden"):
        golden.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(golden.read_text(encoding="utf-8"))


def test_every_kind_of_step_has_golden_ingredients_and_no_file_is_left_over() -> None:
    steps = (case[0] if isinstance(case, tuple) else case for case in CASES.values())
    kinds = {type(step.command if isinstance(step, Step) else step) for step in steps}
    assert kinds == set(get_args(Command))
    assert {path.stem for path in HERE.glob("*")} == set(CASES)
