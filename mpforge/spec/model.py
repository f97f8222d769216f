"""The spec as types: every table and key of ``multiplatform.toml`` (docs/contract.md, "Spec").

All models are frozen and refuse unknown keys; a key is the field's name with dashes. The same
``BuildOptions`` and ``TestOptions`` serve at every level: on a target or an override only the
fields in ``model_fields_set`` count. Only shapes are checked here; ``load`` compares values with
each other, and no type here knows how anything is built.
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

    source: Text = Field(default=".", description="A directory with a pyproject.toml, or an sdist.")
    python: Globs = Field(
        default=(),
        description="Pythons to build for: cp3XY, cp3XYt, pp3XY; auto: every CPython that the project's "
        "Requires-Python allows.",
    )
    targets: Texts = Field(
        default=(), description="Well-known target names; [targets.X] adds others or adjusts these."
    )
    skip: Globs = Field(
        default=(), description='Globs over TARGET-PYTHON that are not built, e.g. "*_musl-pp*".'
    )


class Sdist(Table):
    """The source distribution that wheels are built from."""

    enable: Flag = Field(
        default=True,
        description="Build wheels from the project's own sdist; false: from tracked files.",
    )
    exclude: Texts = Field(
        default=(), description='Globs of files that are not build inputs, e.g. ["docs/**"].'
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
    """The package index; seen by resolving and fetching only, never by a build."""

    url: Text | None = Field(
        default=None,
        description="Address of the index; default: what pip and uv are configured with.",
    )
    extra: Texts = Field(default=(), description="Addresses of further indexes.")
    credentials: Credentials = Field(
        default=Credentials(), description="Names of the variables that hold the credentials."
    )


class RepairOptions(Table):
    """Options for repairing a built wheel."""

    strip: Flag = Field(default=False, description="Strip symbols from shared libraries.")
    exclude: Texts = Field(
        default=(), description="Shared libraries that are not copied into the wheel."
    )
    args: Texts = Field(default=(), description="More arguments for the repair tool.")
    command: Commands = Field(
        default=(),
        description="Commands that make of {wheel} another one in {dest_dir}, which is then repaired and "
        "verified like any other.",
    )
    check: Commands = Field(
        default=(), description="Commands that check the repaired {wheel}; they can't change it."
    )
    requires: Texts = Field(default=(), description="Requirements of `command` and `check`.")


class BuildOptions(Table):
    """Options for building wheels, or other outputs."""

    strategy: BuildStrategy = Field(default="auto", description="How the target's code is made.")
    toolchain: Text = Field(
        default="auto", description="auto, zig, gcc, or a name from [toolchains]."
    )
    image: Text = Field(
        default="auto",
        description="The image to build in, for hybrid and emulate (and native, if given); auto: "
        "the policy's PyPA image.",
    )
    runtime: ImageRuntime = Field(
        default="auto",
        description="What runs images. engine: Docker or Podman; sandbox: mpforge itself, without either; "
        "auto: a container runtime that is set up, else the sandbox.",
    )
    policy: Text = Field(
        default="auto",
        description="Oldest systems to compile for and upper bound of the wheel tag: "
        "manylinux_2_28, musllinux_1_2, ...",
    )
    kind: Kind = Field(
        default="wheel",
        description="wheel, or the build system that builds a project of another kind.",
    )
    commands: Commands = Field(
        default=(), description='For kind = "commands": shell lines, or argv lists.'
    )
    options: Texts = Field(
        default=(),
        description="Arguments of the configure step, for kind = cmake, meson and autotools.",
    )
    outputs: Texts = Field(
        default=(),
        description="Files, folders, globs to publish in dist/TARGET/ with relative paths. With "
        "cmake, meson and autotools: among the installed files; default: all of them.",
    )
    pure: Flag = Field(default=False, description="Accept a wheel without compiled code.")
    optional_extensions: Globs = Field(
        default=(),
        description="Extension modules that may fail to build, by name or glob; a wheel without any "
        'other is an error, e.g. "package._speedups".',
    )
    allow_undefined: Globs = Field(
        default=(),
        description="Symbols that the program which loads a shared library defines, by name or glob, "
        'e.g. "lua_*"; any other undefined symbol is an error.',
    )
    cpu: Text | None = Field(
        default=None,
        description="The oldest CPU to build for and to test on, if not the target's own, by GCC's name "
        '(-march, -mcpu), e.g. "x86-64-v3".',
    )
    allow_newer_cpu: Globs = Field(
        default=(),
        description="Files with instructions that the oldest CPU lacks, which run only where it has them, "
        'by path or glob, e.g. "package/_avx2.*"; any other such file is an error.',
    )
    frontend: Frontend = Field(default="build", description="The PEP 517 frontend.")
    isolation: Flag = Field(default=True, description="Build in an isolated environment (PEP 517).")
    requires: Texts = Field(
        default=(),
        description="Requirements besides build-system.requires; also paths, and files: "
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
        description='Programs a step may call beyond the base set, e.g. "cmake>=3.28": from a pinned '
        "wheel where one is known to carry it, else the host's, by digest.",
    )
    base_programs: BasePrograms = Field(
        default="host",
        description="The base set of programs that steps see: this host's, or packages of Debian or "
        "Ubuntu that the lock pins, equal on every machine. One for all targets.",
    )
    before_all: Commands = Field(
        default=(), description="Run once in the image and kept as a layer; needs an image."
    )
    before_all_sources: Globs = Field(
        default=(),
        description='Globs of the project\'s files that before-all sees in {project}, e.g. ["ci/**"].',
    )
    before_build: Commands = Field(
        default=(), description="Run in the build's own copy of the source, for each wheel."
    )
    environment: Environment = Field(
        default={},
        description="Literals and placeholders, no shell; CFLAGS and the like are appended to the "
        "toolchain's.",
    )
    pass_environment: Texts = Field(
        default=(), description="Host variables whose value enters the key."
    )
    secrets: Texts = Field(
        default=(),
        description="Host variables that never enter a key; such a step's result is not stored.",
    )
    network: Flag = Field(
        default=False,
        description="Give its programs network access; otherwise they have only a loopback interface.",
    )
    config_settings: Settings = Field(default={}, description="PEP 517 config settings.")
    libraries: Texts = Field(default=(), description="Names from [libraries] that the build needs.")
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
        default="auto", description="Where the target's code runs; static: nowhere."
    )
    command: TestCommand = Field(
        default="import",
        description="import: every extension module of the wheel; else shell lines or argv lists.",
    )
    sources: Texts = Field(
        default=("tests", "test", "conftest.py", "pytest.ini"),
        description="Files to copy into the empty directory where tests run; missing ones are left out.",
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
        description="Build requirements that have no wheel for the target, from their sdists.",
    )
    libraries: Texts = Field(
        default=(),
        description="Native libraries for these builds: recipes, or names of [libraries].",
    )
    extras: Texts = Field(default=(), description="Extras of the wheel to install.")
    groups: Texts = Field(default=(), description="Dependency groups of pyproject.toml to install.")
    before: Commands = Field(default=(), description="Run before the tests.")
    outputs: Globs = Field(
        default=(),
        description="Globs of files that tests write, kept after a pass and after a failure, e.g. "
        '["junit.xml", "coverage/**"].',
    )
    environment: Environment = Field(default={}, description="Literals and placeholders, no shell.")
    pass_environment: Texts = Field(
        default=(), description="Host variables whose value enters the key."
    )
    secrets: Texts = Field(
        default=(),
        description="Host variables that never enter a key; such a result is not stored.",
    )
    network: Flag = Field(
        default=False,
        description="Give its programs network access; otherwise they have only a loopback interface.",
    )
    cpus: Texts = Field(
        default=(), description='CPU models to repeat the tests on, e.g. ["cortex-a53", "max"].'
    )
    cache: Flag = Field(default=True, description="Store a passed run and do not repeat it.")
    timeout: Seconds = Field(
        default=1800,
        description="Time limit of a test.",
        json_schema_extra={"default": "30m", "pattern": DURATION},
    )


class Target(Table):
    """A custom target, or adjustments of a well-known one."""

    platform: Text | None = Field(
        default=None,
        description="A well-known target name or a docker platform (linux/arm/v7); needed where "
        "the target's own name is not well-known.",
    )
    python: Globs | None = Field(default=None, description="Instead of project.python.")
    dist: Text | None = Field(
        default=None,
        description="Folder below dist/; needed where two targets would give the same wheel names.",
    )
    build: BuildOptions = Field(default=BuildOptions(), description="Replaces or extends [build].")
    test: TestOptions = Field(default=TestOptions(), description="Replaces or extends [test].")


class Override(Table):
    """Options for some builds; applied last, in file order."""

    select: Globs = Field(description="Globs over TARGET-PYTHON.")
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
        default={}, description="Variables of every step that uses it."
    )


class Release(Table):
    """The destination of a release."""

    index: Text | None = Field(default=None, description="Where to upload; default: PyPI.")
    check_url: Text | None = Field(
        default=None, alias="check-url", description="Where that index lists its files."
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
    build: BuildOptions = Field(default=BuildOptions(), description="How everything is built.")
    test: TestOptions = Field(default=TestOptions(), description="How everything is tested.")
    targets: Mapping[str, Target] = Field(
        default={}, description="Targets added or adjusted, by name."
    )
    overrides: tuple[Override, ...] = Field(default=(), description="Options for some builds.")
    toolchains: Mapping[str, Toolchain] = Field(default={}, description="Toolchains by name.")
    libraries: Mapping[str, Library] = Field(default={}, description="Native dependencies by name.")
    release: Release | None = Field(default=None, description="Uploading.")
