"""Libraries as their builds install them, made relocatable."""

from pathlib import Path

import pytest

from mpforge.artifacts.installed_prefix import Prefix, remove_programs
from mpforge.errors import OutputMissing

OWN = "/mpforge/xml"
BESIDE = {"/build/libraries/zlib": "zlib", "/store/7/libraries/zlib": "zlib"}


def prefix(root: Path, *, shared: bool = False) -> Prefix:
    return Prefix(root, (OWN, "/build/installed"), ("/build", "/store/7"), BESIDE, shared)


def put(root: Path, path: str, text: str | bytes) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return place


def test_a_pkg_config_file_finds_itself_and_the_libraries_beside_it(tmp_path: Path) -> None:
    place = put(
        tmp_path,
        "lib/pkgconfig/xml.pc",
        "prefix=/mpforge/xml\nlibdir=${prefix}/lib\n\nName: xml\nVersion: 1\n"
        "Libs: -L${libdir} -Wl,-rpath,/mpforge/xml/lib -lxml\n"
        "Libs.private: -L/build/libraries/zlib/lib -lz\nCflags: -I//mpforge/xml/include\n",
    )
    assert prefix(tmp_path).relocate() == []
    lines = place.read_text().splitlines()
    assert lines[:2] == ["prefix=${pcfiledir}/../..", "libdir=${prefix}/lib"]
    assert "Cflags: -I${pcfiledir}/../../include" in lines
    assert "Libs: -L${libdir} -lxml -L${pcfiledir}/../../../zlib/lib -lz" in lines


@pytest.mark.parametrize(
    ("fields", "requires"),
    [
        ("Requires: a >= 1\nRequires.private: b, c\n", "Requires: a >= 1, b, c"),
        ("Requires.private: b\n", "Requires: b"),
        ("Requires:\nRequires.private: b\n", "Requires: b"),
    ],
)
def test_a_static_library_s_private_needs_are_everyone_s_and_a_shared_one_s_are_its_own(
    tmp_path: Path, fields: str, requires: str
) -> None:
    place = put(tmp_path, "lib/pkgconfig/x.pc", fields)
    prefix(tmp_path, shared=True).relocate()
    assert place.read_text() == fields
    prefix(tmp_path).relocate()
    assert place.read_text().splitlines() == [requires]


def test_cmake_packages_and_config_scripts_find_themselves(tmp_path: Path) -> None:
    package = put(
        tmp_path,
        "lib/cmake/xml/xml-config.cmake",
        'set(ROOT "/mpforge/xml")\nset(OTHER "/mpforge/xmlsec")\nset(Z "/store/7/libraries/zlib")\n',
    )
    script = put(
        tmp_path,
        "bin/xml-config",
        "#! /bin/sh\nprefix=/mpforge/xml\necho '--prefix=/mpforge/xml' \"it's /mpforge/xml\"\n",
    )
    assert prefix(tmp_path).relocate() == []
    here = "${CMAKE_CURRENT_LIST_DIR}/../../.."
    expected = [f'set(ROOT "{here}")', 'set(OTHER "/mpforge/xmlsec")', f'set(Z "{here}/../zlib")']
    assert package.read_text().splitlines() == expected
    assert script.read_text().splitlines() == [
        "#! /bin/sh",
        'mpforge_prefix=$(cd -- "$(dirname -- "$0")/.." && pwd)',
        "prefix=${mpforge_prefix}",
        """echo '--prefix='"${mpforge_prefix}"'' "it's ${mpforge_prefix}\"""",
    ]


def test_manuals_libtool_s_files_and_dangling_links_go_and_leftover_paths_are_named(
    tmp_path: Path,
) -> None:
    put(tmp_path, "lib/libxml.la", "libdir='/mpforge/xml/lib'")
    put(tmp_path, "share/man/man1/xml.1", "")
    put(tmp_path, "lib/libxml.a", b"!<arch>\nnothing of /building/ here")
    put(tmp_path, "include/xml.h", '#define PLACE "/build/src/xml"\n')
    (tmp_path / "lib/libxml.so").symlink_to("libxml.so.1")
    (tmp_path / "lib/man.1").symlink_to("../share/man/man1/xml.1")
    assert prefix(tmp_path).relocate() == ["include/xml.h"]
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_symlink() or path.is_file())
    assert names == ["libxml.a", "xml.h"]


def test_a_static_library_that_was_made_as_a_shared_one_only_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "lib/libxml.so.1.2", b"\x7fELF")
    with pytest.raises(OutputMissing) as caught:
        prefix(tmp_path).relocate()
    assert "libxml.so.1.2" in caught.value.what
    assert "shared = true" in (caught.value.hint or "")
    assert prefix(tmp_path, shared=True).relocate() == []


def test_programs_of_another_machine_are_removed_and_scripts_are_kept(tmp_path: Path) -> None:
    put(tmp_path, "bin/xmllint", b"\x7fELF")
    put(tmp_path, "bin/xml-config", "#!/bin/sh\n")
    put(tmp_path, "lib/libxml.so", b"\x7fELF")
    remove_programs(tmp_path)
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"xml-config", "libxml.so"}
