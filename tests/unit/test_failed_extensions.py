"""Extensions that a build went on without are found by its log and the wheel's files."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from mpforge.diagnostics.failed_extensions import Tried, missing, tried
from mpforge.errors import NoExtension, StepFailed, WheelRejected
from mpforge.kinds import wheel_repair
from mpforge.kinds.wheel_repair import repair
from mpforge.places.step import StepDirectory, StepRun
from mpforge.plan.steps import OutputOf, RepairWheel

SETUPTOOLS = """\
building 'pkg._core' extension
/view/bin/cc -c core.c -o build/core.o
building 'pkg._fast' extension
/view/bin/cc -c fast.c -o build/fast.o
fast.c:4:76: error: expected expression
"""
LINK = """\
building 'pkg._core' extension
building 'pkg._fast' extension
/usr/bin/ld: cannot find -lfast: No such file or directory
collect2: error: ld returned 1 exit status
"""
QUIET = """\
warning: build_ext: building extension "pkg._fast" failed: command '/view/bin/cc' failed with exit code 1
"""
RUST = "build_rust: optional Rust extension pkg._fast failed\n"
CYTHON = """\
building 'pkg._fast' extension
distutils.errors.CompileError: pkg/_fast.pyx
"""
CORE = "pkg/_core.cpython-311-aarch64-linux-gnu.so"
FAST = "pkg/_fast.abi3.so"


@pytest.mark.parametrize("log", [SETUPTOOLS, LINK, QUIET, RUST])
def test_an_extension_that_failed_is_missing_beside_one_that_did_not(log: str) -> None:
    told = tried(log)
    assert told.errors
    assert missing(told.names, [CORE]) == ["pkg._fast"]
    assert missing(told.names, [CORE, FAST]) == []  # made by a second attempt


def test_checks_of_what_the_machine_has_are_no_failures() -> None:
    log = """\
building 'pkg._core' extension
conftest.c:3:10: fatal error: 'sys/epoll.h' file not found
_configtest.c:1:10: fatal error: 'altivec.h' file not found
/tmp/cache/store/work/17-4-x/22/tmp/tmpk3j2/check.cpp:1:10: error: unknown type name
/mpforge/step/tmp/check.c:1:1: error: no
/step/src/build/CMakeFiles/CMakeScratch/TryCompile-x/src.c:2:3: error: no such function
"""
    assert tried(log) == Tried(("pkg._core",), (), of_source=False)


def test_a_source_below_a_directory_called_tmp_is_no_check() -> None:
    assert tried("/tmp/cache/store/work/17-4-x/22/src/a.c:1:2: error: no").of_source


@pytest.mark.parametrize(
    ("names", "modules", "absent"),
    [
        (["_core"], [CORE], []),  # distutils' ext_package
        (["src.pkg._core"], [CORE], []),  # a name that is a path of the source
        (["pkg._core"], ["pkg-1.data/platlib/pkg/_core.so"], []),
        (["a._fast", "b._fast"], ["b/_fast.so"], ["a._fast"]),
        (["b._fast", "a._fast"], ["a/_fast.so"], ["b._fast"]),
        (["pkg._fast"], ["pkg/_fastest.so"], ["pkg._fast"]),
    ],
)
def test_an_extension_is_known_by_its_name_wherever_it_is_packed(
    names: list[str], modules: list[str], absent: list[str]
) -> None:
    assert missing(names, modules) == absent


@pytest.mark.parametrize(
    ("tag", "log", "what", "remedy"),
    [
        ("py3-none-any", SETUPTOOLS, "lacks pkg._core and pkg._fast, which failed to build", "]"),
        ("py3-none-any", LINK, "lacks pkg._core and pkg._fast, which failed to build", "]"),
        ("py3-none-any", CYTHON, "lacks pkg._fast, which failed to build", "]"),
        (
            "py3-none-any",
            "fast.c:4:76: error: no",
            "claims to run anywhere but contains no compiled",
            "fix the errors, or set `pure = true`",
        ),
        (
            "py3-none-any",
            "building 'pkg._yaml' extension\n_yaml.h:2:10: fatal error: 'yaml.h' file not found",
            "lacks pkg._yaml",
            'set libraries = ["libyaml"] in [build]: mpforge has a recipe',
        ),
        ("cp311-cp311-linux_aarch64", "", "is for aarch64 but contains no compiled code", "]"),
    ],
)
def test_a_wheel_without_the_extensions_of_its_build_is_refused(
    tmp_path: Path, tag: str, log: str, what: str, remedy: str
) -> None:
    directory = StepDirectory(tmp_path / "step").prepare()
    directory.source.mkdir()
    with zipfile.ZipFile(directory.source / f"pkg-1-{tag}.whl", "w") as wheel:
        wheel.writestr("pkg/__init__.py", "")
    command = RepairWheel(OutputOf("wheel"), "aarch64", "cp311", "manylinux_2_17")
    with (tmp_path / "log").open("wb") as file, pytest.raises(NoExtension) as refused:
        repair(StepRun("repair", directory, file, {}, timeout=60.0), command, log)
    assert what in refused.value.what
    assert refused.value.hint is not None
    assert "[build]" in refused.value.hint
    assert remedy in refused.value.hint


@pytest.mark.parametrize("only_pure", [None, "pure = true in the spec"])
def test_a_compiled_file_in_a_wheel_for_any_machine_is_named_with_the_remedy(
    tmp_path: Path, only_pure: str | None
) -> None:
    with pytest.raises(WheelRejected) as refused:
        _repair_pure_wheel_of_code(tmp_path, "py3-none-any", only_pure)
    assert (
        refused.value.what
        == "pkg-1-py3-none-any.whl claims to run anywhere but contains compiled code"
    )
    assert refused.value.why == "pkg/libz.so"
    assert "has_ext_modules" in str(refused.value.hint)


def test_a_wheel_for_one_machine_where_the_spec_says_pure_is_told_how_to_build_it_for_each(
    tmp_path: Path,
) -> None:
    with pytest.raises(WheelRejected) as refused:
        _repair_pure_wheel_of_code(tmp_path, "py3-none-linux_x86_64", "pure = true in the spec")
    assert "is not pure Python, as was expected: pure = true in the spec" in refused.value.what
    assert "`pure = false`" in str(refused.value.hint)


def _repair_pure_wheel_of_code(tmp_path: Path, tag: str, only_pure: str | None) -> None:
    """Repair a wheel of a library without an extension module."""
    directory = StepDirectory(tmp_path / "step").prepare()
    directory.source.mkdir()
    with zipfile.ZipFile(directory.source / f"pkg-1-{tag}.whl", "w") as wheel:
        wheel.writestr("pkg/libz.so", b"\x7fELF\x02\x01\x01" + bytes(57))
    command = RepairWheel(
        OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_17", only_pure=only_pure
    )
    run = StepRun("repair", directory, BytesIO(), {}, timeout=60.0)
    repair(run, command, "")


def test_a_library_that_auditwheel_does_not_find_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        'ValueError: Cannot repair wheel, because required library "libx.so.1" could not be located'
    )

    def fail(*_: object) -> None:
        raise StepFailed("the repair failed", why=said)

    monkeypatch.setattr(wheel_repair, "_call", fail)
    directory = StepDirectory(tmp_path / "step").prepare()
    command = RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_17")
    run = StepRun("repair", directory, BytesIO(), {}, timeout=60.0)
    with pytest.raises(WheelRejected) as refused:
        wheel_repair._audited(run, "python", Path("pkg-1-cp311-cp311-linux_x86_64.whl"), command)
    assert "needs libx.so.1, which was not found" in refused.value.what
    assert "-Wl,-rpath,DIR" in str(refused.value.hint)


def test_compiler_and_linker_errors_are_found_in_a_log_each_once() -> None:
    log = """\
cc -c a.c -Werror -o a.o
a.c:1:10: fatal error: yaml.h: No such file or directory
a.c:9:1: error: unknown type name 'foo'
a.c:9:1: error: unknown type name 'foo'
ld.lld: error: undefined symbol: bar
/usr/bin/ld: cannot find -lyaml
warning: something: error-prone
  no-error: fine
done
"""
    assert tried(log).errors == (
        "a.c:1:10: fatal error: yaml.h: No such file or directory",
        "a.c:9:1: error: unknown type name 'foo'",
        "ld.lld: error: undefined symbol: bar",
        "/usr/bin/ld: cannot find -lyaml",
    )


def test_only_the_first_errors_of_many_are_told() -> None:
    told = tried("\n".join(f"x.c:{n}:1: error: number {n}" for n in range(50))).errors
    assert len(told) < 12
    assert told[0].endswith("number 0")
