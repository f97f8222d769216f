"""Steps of native libraries in a plan."""

import json

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import EnvironmentRequest, Lock
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import (
    BuildLibrary,
    BuildWheel,
    FetchCommit,
    FetchSource,
    Identity,
    InstallPackages,
    OutputOf,
    RepairWheel,
    TakeLibrary,
)
from mpforge.plan.wants import Packages
from mpforge.spec.load import load_spec

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
SHA = "0" * 64
LIBRARIES = f"""
[libraries.zlib]
source = {{ url = ["https://a.example/z.tar.gz", "https://b.example/z.tar.gz"], sha256 = "{SHA}" }}
kind = "make"
options = ["-C", "lib"]

[libraries.xml]
source = {{ path = "vendor/xml" }}
kind = "autotools"
options = ["--with-zlib={{prefix:zlib}}"]
needs = ["zlib"]
patches = ["xml.patch"]

[libraries.unused]
source = {{ path = "vendor/unused" }}
kind = "cmake"
"""


def _plan(more: str = "", libraries: str = LIBRARIES, python: str = '"cp311", "cp313"') -> Plan:
    text = f"""
    schema = 1
    [project]
    python = [{python}]
    targets = ["aarch64"]
    [build]
    libraries = ["xml"]
    {more}
    """
    return compile_plan(load_spec(text + libraries, file="m.toml"), HOST, PROJECT, Lock())


def _steps(plan: Plan, session: str) -> tuple[str, ...]:
    found = plan.session(session)
    assert found is not None
    assert found.refusal is None
    return found.steps


def test_a_library_is_one_step_for_all_pythons_and_part_of_the_targets_preparation() -> None:
    plan = _plan()
    made = [step.id for step in plan.steps if isinstance(step.command, BuildLibrary)]
    assert made == ["library-zlib-aarch64", "library-xml-aarch64"]
    assert _steps(plan, "deps-aarch64") == (
        "source-zlib",
        "library-zlib-aarch64",
        "source-xml",
        "patches-xml",
        "library-xml-aarch64",
    )
    for python in ("cp311", "cp313"):
        assert set(_steps(plan, "deps-aarch64")) < set(_steps(plan, f"build-aarch64-{python}"))
        wheel = plan.step(f"wheel-aarch64-{python}").command
        assert isinstance(wheel, BuildWheel)
        assert [name for name, _ in wheel.libraries] == [
            "zlib",
            "xml",
        ]  # what it needs is given too
        repair = plan.step(f"repair-aarch64-{python}").command
        assert isinstance(repair, RepairWheel)
        assert repair.libraries == wheel.libraries


def test_a_library_is_built_by_the_compilers_of_its_target_without_a_python() -> None:
    plan = _plan()
    xml = plan.step("library-xml-aarch64").command
    assert isinstance(xml, BuildLibrary)
    assert (xml.compilers.target, xml.compilers.python, xml.compilers.cross) == (
        "aarch64",
        None,
        True,
    )
    assert xml.libraries == (("zlib", OutputOf("library-zlib-aarch64")),)
    words = " ".join(map(str, xml.commands))
    assert "--enable-static --disable-shared --with-pic --with-zlib={prefix:zlib}" in words
    zlib = plan.step("library-zlib-aarch64").command
    assert isinstance(zlib, BuildLibrary)
    assert [str(line).rpartition(" make ")[2] for line in zlib.commands] == [
        "-j{jobs} -C lib",
        "install PREFIX={dest_dir} prefix={dest_dir} -C lib",
    ]
    source = plan.step("source-zlib").command
    assert isinstance(source, FetchSource)
    assert (len(source.urls), source.sha256) == (2, SHA)


def test_pythons_with_other_compilers_get_libraries_of_their_own() -> None:
    override = """
    [[overrides]]
    select = ["*-cp313"]
    build = { policy = "manylinux_2_28" }
    """
    plan = _plan(override)
    other = plan.step("library-xml-aarch64-cp313").command
    assert isinstance(other, BuildLibrary)
    assert other.policy == "manylinux_2_28"
    assert other.libraries == (("zlib", OutputOf("library-zlib-aarch64-cp313")),)
    wheel = plan.step("wheel-aarch64-cp313").command
    assert isinstance(wheel, BuildWheel)
    assert wheel.libraries[1][1] == OutputOf("library-xml-aarch64-cp313")


def test_the_repair_is_told_which_libraries_the_build_was_given() -> None:
    more = 'needs = ["zlib"]\nshared = true\nversion = "2"\nlicense = "MIT"'
    plan = _plan(libraries=LIBRARIES.replace('needs = ["zlib"]', more))
    repair = plan.step("repair-aarch64-cp311").command
    assert isinstance(repair, RepairWheel)
    assert dict(repair.identities) == {
        "zlib": Identity(url="https://a.example/z.tar.gz", sha256=SHA),
        "xml": Identity("2", "MIT", patched=True, shared=True, needs=("zlib",)),
    }
    xml = plan.step("library-xml-aarch64").command
    assert isinstance(xml, BuildLibrary)
    assert "--enable-shared --disable-static" in " ".join(map(str, xml.commands))


@pytest.mark.parametrize(
    ("urls", "public"),
    [
        (("file:///srv/z.tgz", "debian:pool/z.tgz"), "debian:pool/z.tgz"),
        (("https://me:secret@a.example/z.tgz", "http://b.example/z.tgz"), "http://b.example/z.tgz"),
        (("debian:pool/z.tgz", "https://a.example/z.tgz"), "https://a.example/z.tgz"),
        (("file:///srv/z.tgz",), None),
    ],
)
def test_a_wheel_is_told_only_an_address_that_anyone_may_know(
    urls: tuple[str, ...], public: str | None
) -> None:
    old = '["https://a.example/z.tar.gz", "https://b.example/z.tar.gz"]'
    plan = _plan(libraries=LIBRARIES.replace(old, json.dumps(urls)))
    repair = plan.step("repair-aarch64-cp311").command
    assert isinstance(repair, RepairWheel)
    assert dict(repair.identities)["zlib"].url == public


def test_a_shipped_wheel_is_of_its_libraries_options_wherever_they_come_from() -> None:
    def options(text: str) -> str:
        session = _plan(libraries=text).session("build-aarch64-cp311")
        assert session is not None
        return session.options

    plain = options(LIBRARIES)
    assert options(LIBRARIES.replace("b.example", "c.example")) == plain
    assert options(LIBRARIES.replace('"lib"]', '"lib", "X=1"]')) != plain
    assert options(LIBRARIES.replace('["xml.patch"]', '["y.patch"]')) != plain
    assert options(LIBRARIES.replace("vendor/unused", "unused")) == plain


def test_every_kind_s_install_goes_below_the_step_s_own_directory() -> None:
    for kind in ("cmake", "meson", "autotools", "make"):
        plan = _plan(libraries=LIBRARIES.replace('"autotools"', f'"{kind}"'))
        command = plan.step("library-xml-aarch64").command
        assert isinstance(command, BuildLibrary)
        last = str(command.commands[-1])
        assert "install" in last
        assert "{dest_dir}" in last


def test_a_library_from_a_wheel_is_pinned_for_the_builds_policy_and_not_built() -> None:
    wheel = """
    [libraries.xml]
    wheel = "xml-dev==2.*"
    license = "MIT"
    """
    plan = _plan('policy = "manylinux_2_34"', wheel, python='"cp311"')
    assert _steps(plan, "deps-aarch64") == ("wheel-xml-aarch64-cp311", "library-xml-aarch64")
    install = plan.step("wheel-xml-aarch64-cp311").command
    assert isinstance(install, InstallPackages)
    request = EnvironmentRequest("library", "cp311", "aarch64-manylinux_2_34", ("xml-dev==2.*",))
    assert install.request == request
    assert any(want.need == Packages(request) for want in plan.wants)
    take = plan.step("library-xml-aarch64").command
    assert take == TakeLibrary(
        "xml", OutputOf("wheel-xml-aarch64-cp311"), "aarch64", "manylinux_2_34"
    )
    repair = plan.step("repair-aarch64-cp311").command
    assert isinstance(repair, RepairWheel)
    assert dict(repair.identities) == {"xml": Identity(license="MIT", shared=True)}

    # Each Python has a wheel of its own, and so a step.
    plan = _plan(libraries=wheel)
    assert "library-xml-aarch64-cp313" in _steps(plan, "build-aarch64-cp313")
    install = plan.step("wheel-xml-aarch64-cp313").command
    assert isinstance(install, InstallPackages)
    assert install.request.policy == "manylinux_2_17"


def test_a_library_s_source_may_be_a_commit() -> None:
    commit = "5" * 40
    old = 'source = { path = "vendor/xml" }'
    new = f'source = {{ git = "https://a.example/xml.git", commit = "{commit}" }}'
    plan = _plan(libraries=LIBRARIES.replace(old, new))
    url = "https://a.example/xml.git"
    assert plan.step("source-xml").command == FetchCommit(url, commit)
    repair = plan.step("repair-aarch64-cp311").command
    assert isinstance(repair, RepairWheel)
    assert dict(repair.identities)["xml"].commit == commit
