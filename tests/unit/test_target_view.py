"""What build hooks are shown of a target: names, variables, trees, and what their identity is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython, Interpreter
from mpforge.platforms import Platform, well_known
from mpforge.toolchains import compiler_wrappers, machine_files, target_view
from mpforge.toolchains.target_view import Surroundings, View


def platform(name: str) -> Platform:
    return well_known()[name]


@pytest.fixture
def host(tmp_path: Path) -> HostPython:
    """An interpreter with headers as Debian keeps them: a switch first, the real file elsewhere."""
    switch, real = tmp_path / "include" / "python3.11", tmp_path / "include" / "arch" / "python3.11"
    for directory, name, text in (
        (switch, "Python.h", '#include "pyconfig.h"'),
        (switch, "pyconfig.h", "#include <arch/python3.11/pyconfig.h>"),
        (real, "pyconfig.h", "#define SIZEOF_LONG 8"),
    ):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return HostPython(
        python="cp311",
        version="3.11.2",
        executable=tmp_path / "python3.11",
        digest="ab" * 32,
        parts=(),
        abiflags="",
        multiarch="x86_64-linux-gnu",
        sysconfigdata_name="_sysconfigdata__x86_64-linux-gnu",
        includes=(switch, real),
        stamp=(),
        path=(),
    )


def environment(host: HostPython, view: Path, *, target: str, cross: bool) -> dict[str, str]:
    there = Surroundings(
        zig=Path("/tools/zig"),
        zig_cache=Path("/cache/zig"),
        scratch=Path("/step/scratch"),
        step=Path("/step"),
        log=Path("/step/notes"),
    )
    shown = View(platform(target), "manylinux_2_17", cross=cross, host=host)
    return target_view.view_environment(view, shown, there)


@pytest.mark.parametrize(
    ("name", "policy", "expected"),
    [
        ("aarch64", "manylinux_2_17", "aarch64-linux-gnu.2.17"),
        ("aarch64", "manylinux2014", "aarch64-linux-gnu.2.17"),
        ("x86_64", "manylinux_2_28", "x86_64-linux-gnu.2.28"),
        ("aarch64_musl", "musllinux_1_2", "aarch64-linux-musl"),
    ],
)
def test_the_compiler_takes_the_oldest_c_library_of_the_policy(
    name: str, policy: str, expected: str
) -> None:
    assert compiler_wrappers.zig_target(platform(name), policy) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aarch64", "cpython-311-aarch64-linux-gnu"),
        ("i686", "cpython-311-i386-linux-gnu"),
        ("armv7l", "cpython-311-arm-linux-gnueabihf"),
        ("aarch64_musl", "cpython-311-aarch64-linux-musl"),
    ],
)
def test_extension_modules_are_named_as_the_targets_own_python_names_them(
    host: HostPython, name: str, expected: str
) -> None:
    assert target_view.soabi(host, platform(name)) == expected


def test_a_free_threaded_module_is_named_so(host: HostPython) -> None:
    threaded = replace(host, python="cp313t", version="3.13.0", abiflags="t")
    expected = "cpython-313t-aarch64-linux-gnu"
    assert target_view.soabi(threaded, platform("aarch64")) == expected


def test_a_pypy_s_hooks_are_told_its_name_by_a_cpython_that_builds_for_it(
    host: HostPython,
) -> None:
    pypy = replace(host, python="pp311", version="3.11.7")
    view = target_view.View(platform("aarch64"), "manylinux_2_17", cross=True, host=pypy)
    assert target_view.soabi(pypy, view.platform) == "pypy311-pp73-aarch64-linux-gnu"
    texts = target_view._texts(view)
    assert 'sys.implementation.name = "pypy"' in texts["site/_mpforge_pypy.py"]
    assert texts["site/sitecustomize.py"].endswith("import _mpforge_pypy\n")
    assert "include/pypy3.11/pyconfig.h" in texts
    plain = target_view._texts(replace(view, host=host))
    assert "pypy" not in plain["site/sitecustomize.py"]


def test_sizes_and_byte_order_are_the_targets(host: HostPython) -> None:
    sizes = target_view.target_facts(host, platform("armv7l"), "manylinux_2_31")["SIZES"]
    assert isinstance(sizes, dict)
    assert (sizes["SIZEOF_VOID_P"], sizes["SIZEOF_LONG_DOUBLE"]) == (4, 8)
    sizes = target_view.target_facts(host, platform("s390x"), "manylinux_2_17")["SIZES"]
    assert isinstance(sizes, dict)
    assert (sizes["SIZEOF_LONG"], sizes["WORDS_BIGENDIAN"]) == (8, 1)


def test_hooks_that_cross_are_shown_the_target(host: HostPython, tmp_path: Path) -> None:
    shown = environment(host, tmp_path, target="aarch64", cross=True)
    assert shown["_PYTHON_HOST_PLATFORM"] == "linux-aarch64"
    assert shown["_PYTHON_SYSCONFIGDATA_NAME"] == "_sysconfigdata__linux_aarch64-linux-gnu"
    assert shown["PYTHONPATH"] == str(tmp_path / "site")
    assert shown["LDSHARED"] == f"{tmp_path}/bin/cc -shared"
    assert "-O3" in shown["CFLAGS"]


IMAGE = {
    "CC": "/usr/bin/aarch64-linux-gnu-gcc --sysroot=/x",
    "CXX": "/usr/bin/aarch64-linux-gnu-g++",
    "AR": "/usr/bin/aarch64-linux-gnu-ar",
    "CFLAGS": "-O2 -I/opt/cross/include/python3.9",
    "LDFLAGS": "-L/opt/cross/lib",
    "PKG_CONFIG_LIBDIR": "/opt/cross/lib/pkgconfig",
    "CROSS_ROOT": "/opt/cross",
}


def _of_image(tools: dict[str, str], host: Interpreter) -> View:
    return View(platform("aarch64"), "manylinux_2_28", cross=True, host=host, tools=tools)


def test_a_place_with_compilers_of_its_own_keeps_them_and_sees_the_target(
    host: HostPython, tmp_path: Path
) -> None:
    shown = target_view.view_environment(tmp_path, _of_image(IMAGE, host), None)
    assert (shown["CC"], shown["AR"]) == (IMAGE["CC"], IMAGE["AR"])
    assert shown["LDSHARED"] == f"{IMAGE['CC']} -shared"
    assert shown["PKG_CONFIG_LIBDIR"] == "/opt/cross/lib/pkgconfig"
    assert shown["LDFLAGS"] == "-L/opt/cross/lib"
    assert shown["CMAKE_TOOLCHAIN_FILE"] == f"{tmp_path}/cmake/toolchain.cmake"
    assert shown["PYTHONPATH"] == f"{tmp_path}/site"
    assert not [name for name in shown if name.startswith(("MPFORGE", "ZIG"))]
    assert shown["CFLAGS"].startswith(f"-I{tmp_path}/include/python3.11 -fno-strict-overflow")
    assert shown["CFLAGS"].endswith(IMAGE["CFLAGS"])


def test_a_toolchain_file_of_the_place_is_the_one_that_cmake_is_told(
    host: HostPython, tmp_path: Path
) -> None:
    own = IMAGE | {"CMAKE_TOOLCHAIN_FILE": "/opt/cross/Toolchain.cmake"}
    shown = target_view.view_environment(tmp_path, _of_image(own, host), None)
    assert shown["CMAKE_TOOLCHAIN_FILE"] == "/opt/cross/Toolchain.cmake"


def test_a_view_of_another_place_has_no_programs_and_names_those_that_are_there(
    host: HostPython, tmp_path: Path
) -> None:
    fields = ("python", "version", "digest", "abiflags", "multiarch")
    values = {name: getattr(host, name) for name in (*fields, "sysconfigdata_name", "includes")}
    target_view.make_view(tmp_path / "view", _of_image(IMAGE, Interpreter(**values)))
    view = tmp_path / "view"
    assert sorted(path.name for path in view.iterdir() if path.name != "lib") == [
        *("autoconf", "cmake", "include", "meson", "site")
    ]
    cmake = (view / machine_files.CMAKE).read_text(encoding="utf-8")
    assert 'set(CMAKE_C_COMPILER "/usr/bin/aarch64-linux-gnu-gcc;--sysroot=/x")' in cmake
    assert "CMAKE_RANLIB" not in cmake
    meson = (view / machine_files.MESON_CROSS).read_text(encoding="utf-8")
    assert "c = ['/usr/bin/aarch64-linux-gnu-gcc', '--sysroot=/x']" in meson
    told = (view / "site" / "_mpforge_target.py").read_text(encoding="utf-8")
    assert repr(IMAGE["CC"]) in told
    assert (view / "include" / "python3.11" / "pyconfig_host.h").is_file()


def test_what_is_said_before_an_image_is_looked_at_differs_by_target_and_python_only() -> None:
    unseen = [
        dict(
            target_view.view_ingredients(
                View(platform(n), "manylinux_2_17", True, python, tools={})
            )
        )
        for n, python in (
            ("aarch64", host_python.unseen("cp311")),
            ("aarch64", host_python.unseen("cp313t")),
            ("x86_64", host_python.unseen("cp311")),
        )
    ]
    assert len({parts["programs"] for parts in unseen}) == len(unseen)
    assert host_python.unseen("cp313t").headers_name == "python3.13t"


def test_native_hooks_are_given_the_compilers_only(host: HostPython, tmp_path: Path) -> None:
    shown = environment(host, tmp_path, target="x86_64", cross=False)
    assert shown["CC"] == f"{tmp_path}/bin/cc"
    assert not [name for name in shown if "PYTHON" in name]


def test_a_native_view_has_one_whole_pyconfig(host: HostPython, tmp_path: Path) -> None:
    view = tmp_path / "view"
    view.mkdir()
    target_view.make_view(view, View(platform("x86_64"), "manylinux_2_17", cross=False, host=host))
    headers = view / "include" / "python3.11"
    assert (headers / "pyconfig.h").read_text(encoding="utf-8") == "#define SIZEOF_LONG 8"
    assert sorted(path.name for path in view.iterdir()) == ["bin", "include", "lib"]


def test_no_file_of_a_view_knows_where_it_is(host: HostPython, tmp_path: Path) -> None:
    view = tmp_path / "view"
    view.mkdir()
    target_view.make_view(view, View(platform("x86_64"), "manylinux_2_17", cross=False, host=host))
    for path in view.rglob("*"):
        assert path.is_dir() or str(tmp_path) not in path.read_text(encoding="utf-8")


def test_no_placeholder_is_left_in_a_program(host: HostPython) -> None:
    for name in ("aarch64", "x86_64", "armv7l", "aarch64_musl"):
        texts = compiler_wrappers.programs(
            platform(name),
            platform(name).default_policy,
            cross=True,
            headers_name=host.headers_name,
            builder=platform("x86_64"),
        )
        assert sorted(texts) == [
            *("ar", "build-c++", "build-cc", "c++", "cc", "ld", "mpforge-run", "objcopy"),
            *("ranlib", "strip"),
        ]
        for text in (*texts.values(), *machine_files.texts(platform(name)).values()):
            assert re.findall(r"@[A-Z_]+@", text) == []


def test_another_policy_interpreter_or_direction_is_another_view(host: HostPython) -> None:
    views = [
        target_view.view_ingredients(View(platform(name), policy, cross=x, host=chosen))
        for chosen, name, policy, x in (
            (host, "aarch64", "manylinux_2_17", True),
            (host, "aarch64", "manylinux_2_28", True),
            (host, "x86_64", "manylinux_2_17", True),
            (host, "x86_64", "manylinux_2_17", False),
            (replace(host, digest="cd" * 32), "aarch64", "manylinux_2_17", True),
        )
    ]
    assert len(set(views)) == len(views)


def test_notes_of_a_compiler_are_read_back_once_each(tmp_path: Path) -> None:
    log = tmp_path / "notes"
    assert compiler_wrappers.read_notes(log) == ()
    dropped, translated = "dropped\t-flto=auto\t\n", "translated\t-march=armv8-a\t-mcpu=generic\n"
    log.write_text(dropped + translated + dropped + "half a li", encoding="utf-8")
    assert compiler_wrappers.read_notes(log) == (
        compiler_wrappers.WrapperNote("dropped", "-flto=auto"),
        compiler_wrappers.WrapperNote("translated", "-march=armv8-a", "-mcpu=generic"),
    )
