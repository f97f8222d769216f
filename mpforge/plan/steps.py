"""The steps of a plan, as frozen data: commands, and references that are resolved when they run.

A plan holds no callable, clock or open file: it prints, serialises, diffs and compares with ``==``. Values
that are known only when it runs (a file that a step makes, the path of a tool) are typed references. Knows
neither how the user wrote it down nor how a step is run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Literal

from mpforge.plan.codec import OneOf
from mpforge.plan.command_parts import (
    BY_NAME,
    NARROWS,
    Libraries,
    OutputOf,
    ProjectFiles,
    ShippedFiles,
    Tree,
    Work,
)
from mpforge.plan.library_commands import (
    BuildLibrary,
    CopyFiles,
    FetchCommit,
    FetchSdist,
    FetchSource,
    Identities,
    Identity,
    MissingWheels,
    TakeLibrary,
)
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import ON_HOST, Machine, PlannedPlace
from mpforge.plan.texts import CommandLine, Text, written
from mpforge.plan.toolchains import Compilers
from mpforge.plan.wheel_commands import RunOnWheel

# fmt: off
__all__ = [  # of what is defined elsewhere
    "BY_NAME", "NARROWS", "BuildLibrary", "CopyFiles", "FetchCommit", "FetchSdist", "FetchSource",
    "Identities", "Identity", "Libraries", "MissingWheels", "OutputOf", "ProjectFiles", "RunOnWheel",
    "ShippedFiles", "TakeLibrary", "Tree", "Work",
]
# fmt: on

Hook = Literal["sdist", "wheel"]

Settings = tuple[tuple[str, tuple[str, ...]], ...]
"""Config settings (PEP 517), each with its values."""

# --- commands: what a step does ----------------------------------------------------------------

# Each kind of command has the same properties, as a field or for all steps of its kind: `work`; `is_main`,
# true for a session's main step, which `mpforge shell` enters; its `compilers`; the `place` where its
# programs run; the `python` that runs in it; the globs that are no input (`exclude`); the channel of the
# `rust` that it calls for no target.


class _Build(OneOf):
    """A command with programs of the build: they run where its compilers are called, if it has some."""

    compilers: Compilers | None
    work = Work.BUILD

    @property
    def place(self) -> PlannedPlace:
        """The place where its programs run."""
        return self.compilers.place if self.compilers else ON_HOST


@dataclass(frozen=True)
class InstallPackages(OneOf):
    """Install pinned packages into a tree of their own.

    ``request`` is complete unless ``extra`` names a step that returns further requirements, or a wheel whose
    own requirements (and ``extras``) belong to it. ``missing``: how packages without a wheel are built.
    """

    request: EnvironmentRequest
    extra: OutputOf | ShippedFiles | None = None
    extras: tuple[str, ...] = ()
    missing: MissingWheels | None = field(default=None, metadata={NARROWS: True})

    work = Work.FETCH
    is_main = False
    place = ON_HOST
    compilers = python = rust = None
    exclude = ()

    @property
    def of_wheel(self) -> bool:
        """True if the requirements of a wheel belong to it."""
        return isinstance(self.extra, ShippedFiles)


@dataclass(frozen=True)
class FetchCrates(OneOf):
    """Fetch the crates that Cargo.lock pins, unless the project brings them; ``rust`` is a channel.

    It sees only the files of the source that say which crates are needed.
    """

    source: ProjectFiles
    rust: str

    work = Work.FETCH
    is_main = False
    place = ON_HOST
    compilers = python = None
    exclude = ()


@dataclass(frozen=True)
class AskRequirements(_Build):
    """Ask the build backend for further requirements (PEP 517 ``get_requires_for_build_*``).

    It sees the source that the build will see, after ``before`` has been run in it: see ``BuildWheel`` for
    that, for ``exclude``, ``tests`` and ``target_environment``; for ``retry`` see ``MakeSdist``.
    """

    hook: Hook
    source: Tree
    environment: OutputOf
    python: str
    compilers: Compilers | None
    exclude: tuple[str, ...] = field(default=(), metadata={NARROWS: True})
    tests: tuple[str, ...] = field(default=(), metadata={NARROWS: True})
    config_settings: Settings = ()
    before: tuple[CommandLine, ...] = ()
    retry: tuple[CommandLine, ...] = ()
    target_environment: OutputOf | None = None
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})

    is_main = False
    rust = None
    wanted = ()


@dataclass(frozen=True)
class MakeSdist(_Build):
    """Make the source distribution (PEP 517 ``build_sdist``).

    ``compilers`` are this host's, for a backend that configures the project first. A Rust project's backend
    calls cargo for it: ``rust`` is its channel, ``crates`` the crates it needs. Without an ``environment`` it
    is made with the packages of the host's interpreter, which must include ``wanted``. ``retry`` are the
    builds' own first commands: if the backend fails without them, it is called once more after them.
    """

    source: Tree
    environment: OutputOf | None
    python: str
    exclude: tuple[str, ...] = ()
    config_settings: Settings = ()
    compilers: Compilers | None = None
    rust: str | None = None
    crates: OutputOf | None = None
    wanted: tuple[str, ...] = ()
    retry: tuple[CommandLine, ...] = ()

    hook = "sdist"
    is_main = True


@dataclass(frozen=True)
class BuildWheel(_Build):
    """Build one wheel (PEP 517 ``build_wheel``); without ``compilers`` one that needs none.

    ``exclude`` are globs of files that are no input; ``tests`` neither, unless the sdist installs them.
    ``target_environment``: the target's packages whose headers and libraries replace the host's. For
    ``wanted`` see ``MakeSdist``.
    """

    source: Tree
    exclude: tuple[str, ...] = field(metadata={NARROWS: True})
    tests: tuple[str, ...] = field(metadata={NARROWS: True})
    environment: OutputOf | None
    python: str
    compilers: Compilers | None
    before: tuple[CommandLine, ...] = ()
    config_settings: Settings = ()
    frontend: Literal["build", "uv"] = "build"
    crates: OutputOf | None = None
    target_environment: OutputOf | None = None
    wanted: tuple[str, ...] = ()
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})

    hook = "wheel"
    is_main = True
    rust = None


@dataclass(frozen=True)
class RepairWheel(OneOf):
    """Graft a wheel's libraries into it, give it its tag, and prove the tag's promises.

    ``pure``: a wheel without compiled code is allowed. ``only_pure``: the reason why no other is.
    ``optional``: globs over names of extensions that may be missing. ``provided``: globs over symbols that
    the program which loads its files defines. ``cpu`` is the oldest CPU if it is newer than the platform's;
    ``newer``: globs over files that choose their CPU themselves. ``target_environment``: packages with
    libraries that it may have been linked with. ``libraries`` are the native ones that its build was given,
    ``identities`` say which they are. ``built``: the step with the build's log, if others changed the wheel.
    """

    wheel: OutputOf
    target: str
    python: str
    policy: str
    pure: bool = False
    only_pure: str | None = None
    optional: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    cpu: str | None = None
    newer: tuple[str, ...] = ()
    target_environment: OutputOf | None = None
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})
    identities: Identities = field(default=(), metadata={BY_NAME: "identity"})
    built: str | None = field(default=None, metadata={NARROWS: True})

    work = Work.REPAIR
    is_main = False
    place = ON_HOST
    compilers = rust = None


@dataclass(frozen=True)
class RunCommands(_Build):
    """Run build commands and collect the declared outputs.

    ``installs``: outputs are looked for below ``{dest_dir}``, where the last command installs; else in the
    source. ``provided``: globs over symbols that the program which loads them defines. For ``cpu`` and
    ``newer`` see ``RepairWheel``.
    """

    source: Tree
    exclude: tuple[str, ...] = field(metadata={NARROWS: True})
    commands: tuple[CommandLine, ...]
    outputs: tuple[str, ...]
    compilers: Compilers
    target: str
    policy: str
    installs: bool = False
    provided: tuple[str, ...] = ()
    cpu: str | None = None
    newer: tuple[str, ...] = ()
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})

    is_main = True
    python = rust = None


@dataclass(frozen=True)
class RunTests(OneOf):
    """Run tests against the shipped files, in a directory that holds the test sources only.

    ``outputs`` are globs of files that they write there. ``commands`` empty: import every extension module of
    the wheel. ``environment`` has the requirements of the tests and the wheel.
    """

    shipped: ShippedFiles
    source: ProjectFiles
    sources: tuple[str, ...] = field(metadata={NARROWS: True})
    commands: tuple[CommandLine, ...]
    machine: Machine
    python: str | None
    environment: OutputOf | None
    before: tuple[CommandLine, ...] = ()
    outputs: tuple[str, ...] = ()

    work = Work.TEST
    is_main = True
    compilers = rust = None
    exclude = ()

    @property
    def place(self) -> PlannedPlace:
        """The place where its programs run."""
        return self.machine.place


@dataclass(frozen=True)
class CheckFiles(OneOf):
    """Check shipped files as their build did, without running any of their code.

    For ``only_pure``, ``exclude``, ``provided``, ``cpu`` and ``newer`` see ``RepairWheel``. ``python`` is
    None for files that are no wheel.
    """

    shipped: ShippedFiles
    target: str
    python: str | None
    policy: str
    only_pure: bool = False
    exclude: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    cpu: str | None = None
    newer: tuple[str, ...] = ()

    work = Work.REPAIR
    is_main = False
    place = ON_HOST
    compilers = rust = None


Command = (
    InstallPackages
    | FetchCrates
    | FetchSource
    | FetchSdist
    | FetchCommit
    | CopyFiles
    | BuildLibrary
    | TakeLibrary
    | AskRequirements
    | MakeSdist
    | BuildWheel
    | RunOnWheel
    | RepairWheel
    | RunCommands
    | RunTests
    | CheckFiles
)


@dataclass(frozen=True)
class Variables:
    """A step's environment: values, names taken from the host, and names that are secret."""

    values: tuple[tuple[str, Text], ...] = ()
    passed: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostTool:
    """A program that the host, or a step's image, must have; ``specifier`` is PEP 440's, or empty."""

    name: str
    specifier: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"


@dataclass(frozen=True)
class Tools:
    """Programs that a step may call beyond the base set.

    ``wheels`` are requests for packages that carry programs, one each; ``host`` those of the host, or of
    the step's image.
    """

    wheels: tuple[EnvironmentRequest, ...] = ()
    host: tuple[HostTool, ...] = ()


@dataclass(frozen=True)
class Step:
    """One unit of work with a key.

    ``timeout`` is in seconds; ``network`` says that its programs may see more than loopback.
    """

    id: str
    title: str
    command: Command
    variables: Variables = Variables()
    timeout: int = 7200
    cache: bool = True
    network: bool = False
    tools: Tools = Tools()

    @property
    def place(self) -> PlannedPlace:
        """The place where its programs run."""
        return self.command.place

    @property
    def table(self) -> str:
        """The table of the spec with the settings for its programs: build, test, or ``libraries.NAME``."""
        return "test" if self.command.work is Work.TEST else getattr(self.command, "table", "build")

    @property
    def installs(self) -> InstallPackages | None:
        """The command of a step that installs packages; None: it is of another kind."""
        return self.command if isinstance(self.command, InstallPackages) else None

    def texts(self) -> Iterator[str]:
        """Yield the spec's texts in its command and variables, with placeholders as the spec writes them."""
        values = [getattr(self.command, field.name) for field in fields(self.command)]
        return written((*values, *(text for _, text in self.variables.values)))

    @property
    def tests(self) -> RunTests | None:
        """The command of a step that runs tests; None: it is of another kind."""
        return self.command if isinstance(self.command, RunTests) else None
