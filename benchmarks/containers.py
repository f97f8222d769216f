"""What a wheel for aarch64 costs by every way, in an image with an engine and without; by cibuildwheel.

``python benchmarks/containers.py [--package NAME]... [--directory DIR]`` builds markupsafe, msgpack and
kiwisolver (C++) from their sdists by specs that differ in ``[build]`` only, each twice: with an empty store
(tools, images and the lock are in place), and again. Then cibuildwheel does so, in the same image. Prints CPU
seconds, user and system, of the programs here and in containers, as Markdown. It checks that all wheels hold
the same files, that those made without a container engine have the bytes of those made with one, that nothing
is done twice, and that each is imported on its machine, by QEMU where that is another. Exit status 1:
something of that was not so.

The runtime has the images once ``nox -s tests`` was run; a registry on loopback (Debian's docker-registry)
gives the image to builds without an engine. What the runtime itself uses is not counted.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import _cibuildwheel
from _packages import Ran, fetch, lay_out, line, nox, nox_and_containers

from mpforge.places.containers import connection
from mpforge.places.containers.container import Container

if TYPE_CHECKING:
    from mpforge.places.containers.connection import ContainerRuntime

PYTHON = _cibuildwheel.PYTHON
PACKAGES = ("markupsafe", "msgpack", "kiwisolver==1.4.8")
IMAGE = "mpforge-test/manylinux-aarch64:1"
CROSS_IMAGE = "mpforge-test/cross-aarch64:1"
REGISTRY_PORT = "REGISTRY"  # replaced by the address of the run's registry
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent.sock"}
CIBUILDWHEEL = "cibuildwheel"
WITH_UV = "cibuildwheel, `build[uv]`"
FRONTENDS = {CIBUILDWHEEL: "build", WITH_UV: "build[uv]"}
# What a run needs and no build makes: everything of the cache but the store of results.
TOOLS = ("tools", "zig", "distribution", "engines", "hostpythons.jsonl", "hostfiles.json")
EMPTY = """\
import nox


@nox.session(python=False, venv_backend="none")
def empty(session: nox.Session) -> None:
    "Do nothing."
"""
SPEC = 'schema = 1\n\n[project]\npython = ["{}"]\ntargets = ["{}"]\n\n[build]\n{}'
HEAD = ("way", "first run", "÷ native", "÷ emulate", "÷ cibuildwheel")
STEPS = ("the wheel's step", "build requirements reported by the backend", "second run")
IMPORT = """\
import importlib, platform, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(platform.machine())
"""


@dataclass(frozen=True, eq=False)
class Way:
    """A way to build: its name, the target, the strategy that mpforge shall say, lines of ``[build]``.

    ``variables`` are of its environment; without them its containers are counted too.
    """

    name: str
    target: str
    strategy: str
    build: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """The session that builds."""
        return f"build-{self.target}-{PYTHON}"


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a first run, of two of its steps, and of a second run; the wheel's name and files."""

    first: float
    again: float
    wheel: str
    files: tuple[str, ...]
    sha256: str
    step: float | None = None
    asking: float | None = None


_POLICY = 'policy = "manylinux_2_36"\n'
_TOOLCHAIN = f'\n[toolchains.dockcross]\nkind = "container"\nimage = "{CROSS_IMAGE}"\n'
NATIVE = Way("native (x86_64, zig)", "x86_64", "native", 'strategy = "native"\n')
HYBRID = Way("hybrid", "aarch64", "hybrid", f'strategy = "hybrid"\nimage = "{IMAGE}"\n{_POLICY}')
EMULATE = Way(
    "emulate", "aarch64", "emulate", f'strategy = "emulate"\nimage = "{IMAGE}"\n{_POLICY}'
)


def _without_engine(way: Way) -> Way:
    build = way.build.replace(f'"{IMAGE}"', f'"{REGISTRY_PORT}/{IMAGE}"')
    build += 'runtime = "sandbox"\n'
    return Way(f"{way.name}, no engine", way.target, way.strategy, build, NO_ENGINE)


WITHOUT_ENGINE = {way: _without_engine(way) for way in (HYBRID, EMULATE)}
WAYS = (
    NATIVE,
    Way("cross, zig", "aarch64", "cross", 'strategy = "cross"\n'),
    Way(
        "cross, gcc in an image",
        "aarch64",
        "cross",
        f'toolchain = "dockcross"\n{_POLICY}{_TOOLCHAIN}',
    ),
    HYBRID,
    EMULATE,
    *WITHOUT_ENGINE.values(),
)


class Bench:
    """A run of it: where its files are, the runtime, cibuildwheel, and what was found wrong."""

    def __init__(self, directory: Path, registry: str) -> None:
        self.directory = directory
        self.registry = registry
        self.runtime: ContainerRuntime = connection.connect(os.environ)
        self.cibuildwheel = _cibuildwheel.provide(directory / "cibuildwheel")
        self.image = _cibuildwheel.image_for(self.runtime, IMAGE, directory / "uv")
        self.bare: list[float] = []
        self.wrong: list[str] = []
        (directory / "bare").mkdir(exist_ok=True)
        (directory / "bare" / "noxfile.py").write_text(EMPTY, encoding="utf-8")

    @property
    def tools(self) -> Path:
        """The cache that has the tools."""
        return self.directory / "tools"

    def costs(self, package: str) -> Iterator[tuple[str, Cost]]:
        """Build a package by each way in turn."""
        with tempfile.TemporaryDirectory(dir=self.directory) as place:
            source = fetch(package, Path(place), self.directory / "pip.log")
            if source is None:
                sys.exit(f"{package} can't be fetched: see {self.directory / 'pip.log'}")
            for way in WAYS:
                folder = self._folder(package, way)
                build = way.build.replace(REGISTRY_PORT, self.registry)
                lay_out(source, folder, SPEC.format(PYTHON, way.target, build))
                self._prepare(package, way)
                yield way.name, self._measure(way, folder)
            for name, frontend in FRONTENDS.items():
                yield name, self._measure_cibuildwheel(source, frontend)

    def _folder(self, package: str, way: Way) -> Path:
        return self.directory / f"{package.partition('==')[0]}-{WAYS.index(way)}"

    def _prepare(self, package: str, way: Way) -> None:
        """Obtain tools and pins: by a build, but what is emulated needs what hybrid has got already."""
        folder, session = self._folder(package, way), way.session
        if way is EMULATE:
            shutil.copy(self._folder(package, HYBRID) / "multiplatform.lock", folder)
            session = f"deps-{way.target}"
        _good(nox(folder, self.tools, session, **way.variables))

    def _measure(self, way: Way, folder: Path) -> Cost:
        store = self.directory / "store"
        for leftover in (store, folder / ".mpforge", folder / "dist"):
            shutil.rmtree(leftover, ignore_errors=True)
        store.mkdir()
        for name in TOOLS:
            if (self.tools / name).exists():
                (store / name).symlink_to(self.tools / name)
        # deps: a tool too, where it is kept as a result
        _good(nox(folder, store, f"deps-{way.target}", **way.variables))
        first = self._build(way, folder, store)
        self._expect(f"{way.target}: {way.strategy} (" in first.said, f"{folder.name}: other way")
        self.bare.append(nox(self.directory / "bare", store, "empty").cpu_seconds)
        again = self._build(way, folder, store)
        self._expect(not _steps(again, ""), f"{folder.name}: the second run did something")
        (wheel,) = (folder / "dist").glob("*.whl")
        tested = nox(folder, store, f"test-{way.target}-{PYTHON}", **way.variables)
        self._expect(tested.returncode == 0, f"{wheel.name} is not imported:\n{tested.said}")
        return Cost(
            first.cpu_seconds,
            again.cpu_seconds,
            wheel.name,
            _files(wheel),
            _sha256(wheel),
            sum(_steps(first, "wheel-")),
            sum(_steps(first, "requirements-")),
        )

    def _build(self, way: Way, folder: Path, store: Path) -> Ran:
        if way.variables:
            return _good(nox(folder, store, way.session, **way.variables))
        return _good(nox_and_containers(folder, store, way.session))

    def _measure_cibuildwheel(self, source: Path, frontend: str) -> Cost:
        first, again = (self._by_cibuildwheel(source, frontend, run) for run in ("first", "again"))
        machine, name = self._imported(again.wheel), again.wheel.name
        self._expect(machine == "aarch64", f"{name} is not imported:\n{machine}")
        files, sha256 = _files(again.wheel), _sha256(again.wheel)
        return Cost(first.cpu_seconds, again.cpu_seconds, name, files, sha256)

    def _by_cibuildwheel(self, source: Path, frontend: str, run: str) -> _cibuildwheel.Built:
        output = self.directory / f"{source.name}-cibuildwheel-{run}"
        shutil.rmtree(output, ignore_errors=True)
        built = _cibuildwheel.build(
            self.cibuildwheel,
            self.runtime,
            frontend=frontend,
            image=self.image,
            source=source,
            output=output,
        )
        sys.stderr.write(f"  {built.container:.1f} of {built.cpu_seconds:.1f} in the container\n")
        return built

    def _imported(self, wheel: Path) -> str:
        """The machine that says that it has imported a wheel's extension modules."""
        modules = [
            name.partition(".")[0].replace("/", ".") for name in _files(wheel) if ".so" in name
        ]
        image = self.runtime.client.api.inspect_image(IMAGE)["Id"]
        with tempfile.TemporaryDirectory() as name, Container(self.runtime, image) as container:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(name)
            container.put(Path(name), "/wheel")
            argv = [f"/opt/python/{PYTHON}-{PYTHON}/bin/python", "-c", IMPORT, *modules]
            _, said = container.ask(argv, environment={"PYTHONPATH": "/wheel"})
        return said.strip()

    def compare(self, costs: Mapping[str, Cost]) -> None:
        """All wheels hold the same files; those of the image's policy have one name; cibuildwheel adds a tag.

        auditwheel in the image adds the policy that the image is of. An engine makes no difference.
        """
        names = {costs[way.name].wheel for way in WAYS if _POLICY in way.build}
        files = {cost.files for cost in costs.values()}
        self._expect(len(names) == 1, f"not one name: {', '.join(sorted(names))}")
        self._expect(len(files) == 1, f"not the same files: {files}")
        for way, other in WITHOUT_ENGINE.items():
            same = costs[way.name].sha256 == costs[other.name].sha256
            self._expect(same, f"{way.name}: other bytes without an engine")
        wanted = set.union(*map(_tags, names))
        for frontend in FRONTENDS:
            wheel = costs[frontend].wheel
            self._expect(wanted <= _tags(wheel), f"{wheel} lacks a tag of {wanted}")

    def _expect(self, good: object, wrong: str) -> None:
        if not good:
            self.wrong.append(wrong)


def _good(ran: Ran) -> Ran:
    if ran.returncode:
        sys.exit(f"it was not built:\n{ran.said[-3000:]}")
    return ran


def _steps(ran: Ran, prefix: str) -> list[float]:
    """The CPU seconds of steps that were done."""
    done = [event for event in ran.events if event["event"] == "StepEnded"]
    return [event["cpu_seconds"] for event in done if event["step"].startswith(prefix)]


def _tags(wheel: str) -> set[str]:
    """The platform tags in a wheel's name."""
    return set(wheel.removesuffix(".whl").rpartition("-")[2].split("."))


def _sha256(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _files(wheel: Path) -> tuple[str, ...]:
    """The files of a wheel, by the names that they have for any machine."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    return tuple(sorted(name.replace("x86_64", "aarch64") for name in names))


def table(costs: Mapping[str, Cost]) -> str:
    """A package's costs as Markdown."""
    native, emulate = costs[NATIVE.name].first, costs[EMULATE.name].first
    other = costs[CIBUILDWHEEL].first
    text = line((*HEAD, *STEPS)) + line(["---"] * len(HEAD + STEPS))
    for name, cost in costs.items():
        ratios = [f"{cost.first / base:.2f}" for base in (native, emulate, other)]
        steps = ["" if s is None else f"{s:.1f}" for s in (cost.step, cost.asking)]
        text += line((name, f"{cost.first:.1f}", *ratios, *steps, f"{cost.again:.2f}"))
    return text


def _load() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def main() -> int:
    """Build every package by every way; print a table for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-containers"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("--package", action="append", help=f"default: {', '.join(PACKAGES)}")
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    before = _load()
    packages: Sequence[str] = given.package or PACKAGES
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from tests.images.container_runtime import ContainerRuntime as Runtime
    from tests.images.registry import push_image, serving

    with serving(directory / "registry") as address:
        push_image(Runtime(), IMAGE, address, *IMAGE.split(":"))
        bench = Bench(directory, address)
        for package in packages:
            costs = {}
            for name, cost in bench.costs(package):
                sys.stderr.write(
                    f"{package}, {name}: {cost.first:.1f}, {cost.again:.2f}; {cost.wheel}\n"
                )
                costs[name] = cost
            bench.compare(costs)
            sys.stdout.write(f"\n{package}, {PYTHON}, CPU seconds\n\n{table(costs)}")
            sys.stdout.flush()
    bare = statistics.median(bench.bare)
    sys.stdout.write(f"\nbare nox: {bare:.2f} s; load before {before}, after {_load()}\n")
    sys.stdout.writelines(f"wrong: {wrong}\n" for wrong in bench.wrong)
    return int(bool(bench.wrong))


if __name__ == "__main__":
    sys.exit(main())
