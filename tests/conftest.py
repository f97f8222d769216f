"""Rules for all tests: what a tier needs, what a unit test may not do, and that CI skips nothing.

- A test says what it needs by a marker (`cross`, `emulation`, `network`, ...). Where the machine
  lacks it, the test is skipped and the reason printed; with CI set, or with `--strict-tiers`, a skip
  is a failure.
- Outside tests/e2e, starting a process or opening a connection is an error; tests/integration may
  start git.
"""

import functools
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement

from mpforge import processes
from mpforge.errors import MpforgeError
from mpforge.obtain import emulators
from mpforge.obtain.distro import apt
from mpforge.places.isolation import isolation
from mpforge.platforms import well_known
from tests.images.container_runtime import why_no_runtime

TESTS = Path(__file__).parent

# --- tiers: marker → why its tests can't run here, or None ------------------------------------


def _no_program(name: str) -> str | None:
    if shutil.which(name):
        return None
    return f"no {name} on PATH (scripts/setup-system.sh installs it)"


def _no_cross() -> str | None:
    if sys.platform != "linux":
        return "mpforge builds on Linux only"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return f"{sys.executable} has no headers (scripts/setup-system.sh installs them)"
    return None


def _no_emulation() -> str | None:
    """The distribution has the emulator, where none is installed, and always the target's Python."""
    request = emulators.distro_request(well_known()["aarch64"])
    if request is None:
        return "this system has no apt, which target Pythons come from"
    # The end-to-end tests' own lists of packages: they are fetched once.
    tools = os.environ.get("MPFORGE_TEST_CACHE") or TESTS.parent / ".pytest_cache" / "mpforge"
    try:
        apt.resolve(request, state=Path(tools) / "distribution")
    except MpforgeError as error:
        return str(error)
    return None


def _no_network() -> str | None:
    """Ask the index that uv is configured with, past its cache, for a small package."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    argv = [*uv, "--quiet", "--dry-run", "--no-cache", "--reinstall", "iniconfig"]
    answer = processes.capture(argv, timeout=120)
    return None if answer.returncode == 0 else f"no package index: {answer.stderr.strip()}"


def _no_namespaces() -> str | None:
    found = isolation()
    remedy = f" ({found.remedy})" if found.remedy else ""
    return None if found.extent == "whole" else f"{found.why}{remedy}"


_PROBES: Mapping[str, Callable[[], str | None]] = {
    "autotools": functools.partial(_no_program, "automake"),
    "cross": _no_cross,
    "docker": why_no_runtime,
    "emulation": _no_emulation,
    "gcc": functools.partial(_no_program, "gcc"),
    "git": functools.partial(_no_program, "git"),
    "make": functools.partial(_no_program, "make"),
    "network": _no_network,
    "offline": _no_namespaces,
    "strace": functools.partial(_no_program, "strace"),
}


@functools.cache
def _lacking(tier: str) -> str | None:
    return _PROBES[tier]()


def pytest_configure() -> None:
    """End at once in an environment that was made before a dependency was added."""
    project = tomli.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    missing = []
    for text in project["dependencies"]:
        wanted = Requirement(text)
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            found = None
        applies = wanted.marker is None or wanted.marker.evaluate()
        if applies and (found is None or not wanted.specifier.contains(found, prereleases=True)):
            missing.append(f'"{wanted.name}{wanted.specifier}"')
    if missing:
        add = f"{sys.executable} -m pip install {' '.join(missing)}"
        pytest.exit(f"this environment lacks dependencies of pyproject.toml: {add}", returncode=2)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        if marker.name in _PROBES:
            reason = _lacking(marker.name)
            if reason is not None:
                pytest.skip(f"{marker.name}: {reason}")


# --- no skip in CI ----------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-tiers",
        action="store_true",
        default=os.environ.get("CI", "").lower() not in {"", "0", "false"},
        help="a skipped test is a failure (the default where CI is set)",
    )


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure with the same reason; an expected failure stays what it is."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"all tiers must run here (CI or --strict-tiers), but: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.config.getoption("strict_tiers"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("strict_tiers"):
        _forbid_skip(report)
    return report


# --- only end-to-end tests start something ----------------------------------------------------

_STARTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "subprocess.Popen",
        "socket.connect",
        "socket.getaddrinfo",
    }
)


@dataclass
class _Guard:
    """What the running test did that it may not do; ``allowed`` are the programs that it may start."""

    armed: bool = False
    allowed: frozenset[str] = frozenset()
    caught: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Audit hook (PEP 578): there is no way round it, and none to remove it."""
        if self.armed and event in _STARTS and not self._is_allowed(event, arguments):
            self.caught.append(f"{event}{arguments!r:.200}")
            raise AssertionError(f"{_MUST_NOT}: {self.caught[-1]}")

    def _is_allowed(self, event: str, arguments: tuple[object, ...]) -> bool:
        return event == "subprocess.Popen" and Path(str(arguments[0])).name in self.allowed


_MUST_NOT = "only a test in tests/e2e may do this"
_guard = _Guard()
sys.addaudithook(_guard.hear)


@pytest.fixture(autouse=True)
def _starts_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make a start or a connection an error outside tests/e2e, also where the test swallows it."""
    if TESTS / "e2e" in request.path.parents:
        yield
        return
    integration = TESTS / "integration" in request.path.parents
    _guard.allowed = frozenset({"git"} if integration else ())
    _guard.armed, _guard.caught = True, []
    try:
        yield
    finally:
        _guard.armed = False
    if _guard.caught:
        pytest.fail(f"{_MUST_NOT}: " + "; ".join(_guard.caught))
