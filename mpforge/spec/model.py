"""Pydantic models for every table and key of ``multiplatform.toml`` (docs/configuration.md).

All models are frozen and forbid unknown keys. A key is the field's name with dashes. Targets and
overrides use the same ``BuildOptions`` and ``TestOptions``, of which only the fields in
``model_fields_set`` count. The models check types only; ``load`` checks values against each other.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mpforge.spec.library_tables import Library
from mpforge.spec.table import Table
from mpforge.spec.values import (
    DURATION,
    Commands,
    Environment,
    Flag,
    Globs,
    Seconds,
    Settings,
    TestCommand,
    Text,
    Texts,
)

ImageRuntime = Literal["auto", "engine", "sandbox"]
BuildStrategy = Literal["auto", "native", "cross", "hybrid", "emulate"]
TestStrategy = Literal["auto", "native", "emulate", "static", "skip"]
Kind = Literal["wheel", "commands", "make", "cmake", "meson", "autotools"]
ToolchainKind = Literal["zig", "gcc", "container"]
Frontend = Literal["build", "uv"]
BasePrograms = Literal["host", "pinned"]


class Project(Table):
    """The project to ship, with its Pythons and targets."""

    source: Text = Field(
        default=".", description="A directory with a pyproject.toml or setup.py, or an sdist."
    )
    python: Globs = Field(
        default=(),
        description="Pythons to build for: cp3XY, cp3XYt, pp3XY. auto: every CPython that the project's "
        "Requires-Python allows.",
    )
    targets: Texts = Field(
        default=(), description="Well-known targets, or targets defined in [targets]."
    )
    skip: Globs = Field(
        default=(), description='TARGET-PYTHON globs of what is not built, e.g. "*_musl-pp*".'
    )


class Sdist(Table):
    """The source distribution that wheels are built from."""

    enable: Flag = Field(
        default=True,
        description="true: build wheels from the project's sdist; false: directly from its files.",
    )
    exclude: Texts = Field(
        default=(), description='Globs of files that builds don\'t see, e.g. ["docs/**"].'
    )


class Credentials(Table):
    """Names of the environment variables that hold the index's credentials, never their values."""

    username: Text | None = Field(
        default=None, description="Name of the variable with the user name."
    )
    password: Text | None = Field(
        default=None, description="Name of the variable with the password."
    )


class Index(Table):
    """The package index from which mpforge downloads; builds never use it."""

    url: Text | None = Field(
        default=None,
        description="Address of the index; default: that of uv's configuration, else pip's.",
    )
    extra: Texts = Field(
        default=(), description="Addresses of further indexes, which are asked first."
    )
    credentials: Credentials = Field(
        default=Credentials(), description="Names of the variables that hold the credentials."
    )


class RepairOptions(Table):
    """Options for repairing a built wheel."""

    strip: Flag = Field(default=False, description="Strip symbols from shared libraries.")
    exclude: Texts = Field(
        default=(), description="Shared libraries that are not copied into the wheel."
    )
    args: Texts = Field(default=(), description="More arguments for auditwheel repair.")
    command: Commands = Field(
        default=(),
        description="Commands that read {wheel} and write a changed wheel to {dest_dir}, which is then "
        "repaired and verified like any other.",
    )
    check: Commands = Field(
        default=(), description="Commands that check the repaired {wheel}; they can't change it."
    )
    requires: Texts = Field(default=(), description="Requirements of `command` and `check`.")


class BuildOptions(Table):
    """Options for building wheels, or other outputs."""

    strategy: BuildStrategy = Field(
        default="auto",
        description="native, cross, hybrid (in the target's image, with an emulated Python and a native "
        "zig), emulate (everything in the image), or auto: the first of these that is possible.",
    )
    toolchain: Text = Field(
        default="auto", description="auto, zig, gcc (this host's), or a name of [toolchains]."
    )
    image: Text = Field(
        default="auto",
        description="The image to build in, for hybrid and emulate (and native, if you name one); auto: "
        "PyPA's image for the policy.",
    )
    runtime: ImageRuntime = Field(
        default="auto",
        description="What runs images. engine: Docker or Podman; sandbox: mpforge's own sandbox, without "
        "either; auto: a container runtime if one is set up, else the sandbox.",
    )
    policy: Text = Field(
        default="auto",
        description="The highest platform tag that the wheel may get, and the glibc to compile for: "
        "manylinux_2_28, manylinux2014, ...",
    )
    kind: Kind = Field(
        default="wheel",
        description="wheel: the project's PEP 517 backend; make, cmake, meson, autotools: that build "
        "system; commands: your own commands.",
    )
    commands: Commands = Field(
        default=(),
        description='For kind = "commands": shell lines, or lists of a program and its arguments.',
    )
    options: Texts = Field(
        default=(),
        description="For kind = cmake, meson and autotools: arguments of the configure step.",
    )
    outputs: Texts = Field(
        default=(),
        description="For kinds other than wheel: globs of files to copy to dist/TARGET/ with their "
        "relative paths; with cmake, meson and autotools of installed files, by default all.",
    )
    pure: Flag = Field(
        default=False,
        description="true: accept a wheel with a platform tag and no compiled code; false, if you "
        "write it: build for each target, even if the project is known to be pure Python.",
    )
    optional_extensions: Globs = Field(
        default=(),
        description='Extension modules that may fail to build, by name or glob, e.g. "package._speedups"; '
        "any other that fails is an error.",
    )
    allow_undefined: Globs = Field(
        default=(),
        description="Symbols that a shared library leaves undefined because the program that loads it "
        'defines them, by name or glob, e.g. "lua_*"; any other undefined symbol is an error.',
    )
    cpu: Text | None = Field(
        default=None,
        description="The oldest CPU to build for and to test on, by GCC's name (-march, -mcpu), e.g. "
        '"x86-64-v3"; default: the target\'s oldest.',
    )
    allow_newer_cpu: Globs = Field(
        default=(),
        description="Files with instructions that the oldest CPU lacks, which run them only on CPUs that "
        'have them, by path or glob, e.g. "package/_avx2.*"; any other such file is an error.',
    )
    frontend: Frontend = Field(default="build", description="The program that calls the backend.")
    isolation: Flag = Field(
        default=True,
        description="true: build in an isolated environment (PEP 517); false: with the packages "
        "installed in the host's interpreter of that version.",
    )
    requires: Texts = Field(
        default=(),
        description="Requirements in addition to build-system.requires; also paths, and files: "
        '"-r requirements/build.txt".',
    )
    constraints: Texts = Field(
        default=(), description="Constraints on build requirements; also files of them."
    )
    target_requires: Texts = Field(
        default=(),
        description="Build requirements whose headers or libraries must be the target's, "
        'e.g. "numpy>=2".',
    )
    tools: Texts = Field(
        default=(),
        description='Programs beyond the base set that steps call, e.g. "cmake>=3.28": from a pinned '
        "wheel if mpforge knows one, else the host's, by digest.",
    )
    base_programs: BasePrograms = Field(
        default="host",
        description="Where the base set of programs comes from: this host, or packages of Debian or "
        "Ubuntu that the lock pins, equal on every machine. The same for all targets.",
    )
    before_all: Commands = Field(
        default=(),
        description="Commands that run once in the image; the result is kept as a layer. They need an "
        "image.",
    )
    before_all_sources: Globs = Field(
        default=(),
        description='Globs of the project\'s files that before-all sees in {project}, e.g. ["ci/**"].',
    )
    before_build: Commands = Field(
        default=(), description="Commands that run in each build's copy of the source."
    )
    environment: Environment = Field(
        default={},
        description="Variables, as literal texts with placeholders, no shell. CFLAGS and the like are "
        "appended to mpforge's own.",
    )
    pass_environment: Texts = Field(
        default=(), description="Host variables that the build sees; their values are in its key."
    )
    secrets: Texts = Field(
        default=(),
        description="Host variables that the build sees, in no key; the result is not stored.",
    )
    network: Flag = Field(
        default=False,
        description="true: the build has access to the network; false: only to a loopback interface.",
    )
    config_settings: Settings = Field(default={}, description="PEP 517 config settings.")
    libraries: Texts = Field(
        default=(),
        description="Native libraries that the build can use: names of [libraries], or of recipes.",
    )
    repair: RepairOptions = Field(default=RepairOptions(), description="How the wheel is repaired.")
    timeout: Seconds = Field(
        default=7200,
        description="Time limit of a build.",
        json_schema_extra={"default": "2h", "pattern": DURATION},
    )


class TestOptions(Table):
    """Options for testing the wheels or outputs."""

    __test__ = False  # not a test class, whatever pytest makes of its name

    strategy: TestStrategy = Field(
        default="auto",
        description="native; emulate (QEMU); static: only check the files, run nothing; skip; auto: "
        "native if this host can run the target's programs, else emulate.",
    )
    command: TestCommand = Field(
        default="import",
        description="import: import every extension module of the wheel; else shell lines, or lists of a "
        "program and its arguments.",
    )
    sources: Texts = Field(
        default=("tests", "test", "conftest.py", "pytest.ini"),
        description="Globs of files to copy into the empty directory where tests run; missing ones are "
        "left out.",
    )
    requires: Texts = Field(
        default=(),
        description='Requirements of the tests; also paths, and files: "-r requirements/test.txt".',
    )
    constraints: Texts = Field(
        default=(), description="Constraints on what tests require; also files of them."
    )
    build_missing_wheels: Flag = Field(
        default=True,
        description="Build test requirements that have no wheel for the target, from their sdists.",
    )
    libraries: Texts = Field(
        default=(),
        description="Native libraries for the builds of such requirements: names of [libraries], or of "
        "recipes.",
    )
    extras: Texts = Field(default=(), description="Extras of the wheel to install.")
    groups: Texts = Field(default=(), description="Dependency groups of pyproject.toml to install.")
    before: Commands = Field(default=(), description="Commands that run before the tests.")
    outputs: Globs = Field(
        default=(),
        description="Globs of files that tests write, kept after a pass and after a failure, e.g. "
        '["junit.xml", "coverage/**"].',
    )
    environment: Environment = Field(
        default={}, description="Variables, as literal texts with placeholders, no shell."
    )
    pass_environment: Texts = Field(
        default=(), description="Host variables that the tests see; their values are in the key."
    )
    secrets: Texts = Field(
        default=(),
        description="Host variables that the tests see, in no key; the result is not stored.",
    )
    network: Flag = Field(
        default=False,
        description="true: tests have access to the network; false: only to a loopback interface.",
    )
    cpus: Texts = Field(
        default=(),
        description='CPU models of QEMU to repeat the tests on, e.g. ["cortex-a53", "max"].',
    )
    cache: Flag = Field(
        default=True,
        description="Store a pass, and don't repeat the tests while nothing in their key changes.",
    )
    timeout: Seconds = Field(
        default=1800,
        description="Time limit of a test.",
        json_schema_extra={"default": "30m", "pattern": DURATION},
    )


class Target(Table):
    """A custom target, or adjustments of a well-known one."""

    platform: Text | None = Field(
        default=None,
        description="A well-known target's name, or a Docker platform (linux/arm/v7); required if the "
        "target's name is not well-known.",
    )
    python: Globs | None = Field(
        default=None, description="This target's Pythons; default: project.python."
    )
    dist: Text | None = Field(
        default=None,
        description="A directory below dist/; required if two targets would write the same wheel names.",
    )
    build: BuildOptions = Field(default=BuildOptions(), description="Replaces or extends [build].")
    test: TestOptions = Field(default=TestOptions(), description="Replaces or extends [test].")


class Override(Table):
    """Options for the builds that ``select`` matches; applied last, in file order."""

    select: Globs = Field(description="TARGET-PYTHON globs.")
    build: BuildOptions = Field(default=BuildOptions(), description="Replaces or extends [build].")
    test: TestOptions = Field(default=TestOptions(), description="Replaces or extends [test].")


class Toolchain(Table):
    """A compiler, with its tools and sysroot."""

    kind: ToolchainKind = Field(description="container: a cross compiler in an image.")
    image: Text | None = Field(default=None, description="For kind = container: the image.")
    prefix: Text | None = Field(
        default=None, description='For kind = gcc: e.g. "arm-linux-gnueabihf-".'
    )
    path: Text | None = Field(default=None, description="The directory of its programs.")
    sysroot: Text | None = Field(default=None, description="The target's headers and libraries.")
    environment: Environment = Field(
        default={}, description="Variables for every step that uses it."
    )


class Release(Table):
    """The index to which ``mpforge release`` uploads."""

    index: Text | None = Field(default=None, description="The address to upload to; default: PyPI.")
    check_url: Text | None = Field(
        default=None,
        alias="check-url",
        description="The address at which that index lists its files.",
    )
    credentials: Credentials = Field(
        default=Credentials(),
        description="Names of the variables that hold the credentials; a password alone is a token.",
    )


class Spec(Table):
    """The root table of ``multiplatform.toml``."""

    schema_version: Literal[1] = Field(alias="schema", description="The version of the schema.")
    project: Project = Field(default=Project(), description="The Pythons and targets to build for.")
    sdist: Sdist = Field(default=Sdist(), description="The source distribution.")
    index: Index = Field(default=Index(), description="The package index.")
    build: BuildOptions = Field(default=BuildOptions(), description="Options for all builds.")
    test: TestOptions = Field(default=TestOptions(), description="Options for all tests.")
    targets: Mapping[str, Target] = Field(
        default={}, description="Targets added or adjusted, by name."
    )
    overrides: tuple[Override, ...] = Field(default=(), description="Options for some builds.")
    toolchains: Mapping[str, Toolchain] = Field(default={}, description="Toolchains by name.")
    libraries: Mapping[str, Library] = Field(default={}, description="Native dependencies by name.")
    release: Release | None = Field(default=None, description="Where mpforge release uploads.")
