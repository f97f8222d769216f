"""What a target's packages have for compilers is put over the host's; Python's own stays the host's."""

from pathlib import Path

import pytest

from mpforge.errors import OutputMissing
from mpforge.kinds.target_packages import (
    ask_compiler_for_sizes,
    descriptions,
    graft,
    leave_for_compilers,
    library_directories,
    openmp,
    relocated,
)


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture(name="target")
def _target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        place = root / name.replace("__", "/").replace("_DOT_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def files(root: Path) -> dict[str, str]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in found}


def test_headers_and_libraries_are_the_target_s_and_modules_the_host_s(
    site: Path, target: Path
) -> None:
    names = ("p__include__p_DOT_h", "p__lib__libp_DOT_a", "p__lib__libp_DOT_so", "p__init_DOT_py")
    write(site, **dict.fromkeys((*names, "p__c_DOT_cpython_DOT_so"), "host"))
    write(target, **dict.fromkeys((*names, "p__c_DOT_cpython_DOT_so"), "target"))
    graft(target, site)
    assert files(site) == {
        "p/include/p.h": "target",
        "p/lib/libp.a": "target",
        "p/lib/libp.so": "target",
        "p/init.py": "host",
        "p/c.cpython.so": "host",
    }


def test_nothing_of_the_host_s_is_left_for_compilers_in_a_package_that_is_the_target_s(
    site: Path, target: Path
) -> None:
    write(site, p__old_DOT_h="host", other__o_DOT_h="host")
    write(target, p__new_DOT_h="target")
    graft(target, site)
    assert files(site) == {"p/new.h": "target", "other/o.h": "host"}


def test_libraries_that_came_into_a_wheel_by_its_repair_are_nobody_s_to_link(
    site: Path, target: Path
) -> None:
    write(site, p_DOT_libs__libblas_DOT_so="host")
    write(target, p_DOT_libs__libblas_DOT_so="target", p__p_DOT_h="target")
    graft(target, site)
    assert files(site)["p.libs/libblas.so"] == "host"


def test_descriptions_for_pkg_config_find_their_place_and_are_told(
    site: Path, target: Path
) -> None:
    write(target, p__lib__pkgconfig__p_DOT_pc="prefix=/project/build\nLibs: -L${prefix}/lib -lp\n")
    graft(target, site)
    assert descriptions(site) == (site / "p/lib/pkgconfig",)
    assert files(site)["p/lib/pkgconfig/p.pc"].startswith("prefix=${pcfiledir}/../..\n")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Libs: ${libdir}/libp.so -Wl,-rpath,${libdir}\n", "Libs: ${libdir}/libp.so\n"),
        ("Libs: -lp -Wl,-rpath=/x -lq\n", "Libs: -lp -lq\n"),
        ("prefix=${pcfiledir}/..\n", "prefix=${pcfiledir}/..\n"),
        ("exec_prefix=/usr\n", "exec_prefix=/usr\n"),
    ],
)
def test_a_description_leaves_no_run_path_and_keeps_what_is_relative(
    written: str, expected: str
) -> None:
    assert relocated(written) == expected


def test_of_the_target_s_packages_only_what_compilers_ask_for_is_kept(target: Path) -> None:
    write(target, p__p_DOT_h="x", p__init_DOT_py="x", p__lib__libp_DOT_so_DOT_1="x", q__q_DOT_py="")
    leave_for_compilers(target)
    assert set(files(target)) == {"p/p.h", "p/lib/libp.so.1"}
    assert not (target / "q").exists()
    assert library_directories(target) == (target / "p/lib",)


def test_packages_that_have_nothing_for_compilers_are_an_error(target: Path) -> None:
    write(target, p__init_DOT_py="x")
    with pytest.raises(OutputMissing, match="no headers or libraries for compilers"):
        leave_for_compilers(target)


def test_openmp_is_there_where_a_package_has_its_header_and_library(site: Path) -> None:
    write(site, **{"half/include/omp_DOT_h": "", "whole/include/omp_DOT_h": ""})
    assert openmp(site) is None
    write(site, **{"whole/lib/libomp_DOT_so": ""})
    assert openmp(site) == site / "whole"


def test_sizes_that_headers_note_of_this_machine_are_asked_of_the_compiler(site: Path) -> None:
    write(
        site,
        numpy__config_DOT_h="#define NPY_SIZEOF_SHORT 2\n# define NPY_SIZEOF_LONG 8\n"
        "#define NPY_SIZEOF_COMPLEX_LONGDOUBLE 32\n#define NPY_SIZEOF_INTP 8 /* bytes */\n",
        numpy__mod_DOT_py="#define NPY_SIZEOF_LONG 8\n",
    )
    ask_compiler_for_sizes(site)
    assert files(site)["numpy/config.h"].splitlines() == [
        "#define NPY_SIZEOF_SHORT 2",
        "# define NPY_SIZEOF_LONG __SIZEOF_LONG__",
        "#define NPY_SIZEOF_COMPLEX_LONGDOUBLE (2 * __SIZEOF_LONG_DOUBLE__)",
        "#define NPY_SIZEOF_INTP __SIZEOF_POINTER__ /* bytes */",
    ]
    assert files(site)["numpy/mod.py"] == "#define NPY_SIZEOF_LONG 8\n"
