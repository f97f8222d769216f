"""Which calls of a compiler may be answered with an object of before, and what such an object depends on."""

from pathlib import Path

import pytest

from mpforge.tools.objectcache.calls import Call, parse
from mpforge.tools.objectcache.headers import found as looked_for
from mpforge.tools.objectcache.headers import headers_told, names_in
from mpforge.tools.objectcache.objects import reuse
from mpforge.tools.objectcache.places import NotReusable, Place

STEP = "/store/work/1"
PLACE = Place(STEP, "/tools", f"{STEP}/src")
ZIG = ["c++", "-target", "aarch64-linux-gnu.2.17", f"-ffile-prefix-map={STEP}=."]


def parsed(*words: str, step: str = STEP) -> Call:
    return parse(list(words), Place(step, "/tools", f"{step}/src"))


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "a.cpp"],
        ["-O3", "-fPIC", "-Wall", "-g0", "-std=c++17", "-march=armv8-a", "-c", "a.cc", "-o", "a.o"],
        ["-I", "include", "-Ilib", "-isystem", "x", "-DX=1", "-D", "Y", "-UZ", "-c", "a.c"],
        ["-MD", "-MT", "a.o", "-MF", "a.d", "-o", "a.o", "-c", "a.c"],
        ["-x", "c++", "-include", "config.h", "-pthread", "-fvisibility=hidden", "-c", "a.c"],
    ],
)
def test_a_call_that_compiles_one_file_may_be_answered(words: list[str]) -> None:
    assert parsed(*ZIG, *words).source in words


@pytest.mark.parametrize(
    "words",
    [
        ["a.c", "-o", "a"],
        ["-c", "a.c", "b.c"],
        ["-c", "a.S"],
        ["-c", "a.o"],
        ["-c", "-"],
        ["-E", "a.c"],
        ["-c", "-S", "a.c"],
        ["-c", "@response"],
        ["-c", "-x", "assembler-with-cpp", "a.c"],
        ["-c", "-x", "c++-header", "a.c"],
        ["-c", "-march=native", "a.c"],
        ["-c", "-fprofile-use", "a.c"],
        ["-c", "--coverage", "a.c"],
        ["-c", "-fplugin=x.so", "a.c"],
        ["-c", "-Xclang", "-load", "-Xclang", "x.so", "a.c"],
        ["-c", "-mllvm", "-x", "a.c"],
        ["-c", "-gsplit-dwarf", "a.c"],
        ["-c", "-save-temps", "a.c"],
        ["-c", "-fsanitize-ignorelist=x", "a.c"],
        ["-c", "-Wa,-a=list", "a.c"],
        ["-c", "-Wp,-MD,a.d", "a.c"],
        ["-c", "--sysroot=/x", "a.c"],
        ["-c", "-I-", "a.c"],
        ["-c", "-fmodules", "a.cpp"],
        ["-c", "@/x/a.c"],
    ],
)
def test_any_other_call_is_left_to_the_compiler(words: list[str]) -> None:
    with pytest.raises(NotReusable):
        parsed(*ZIG, *words)


def test_a_call_is_the_same_in_another_directory_of_a_step() -> None:
    def said(step: str, define: str) -> list[str]:
        words = [
            f"-ffile-prefix-map={step}=.",
            f"-I{step}/src/include",
            define,
            "-MF",
            f"{step}/a.d",
        ]
        return parsed(*words, "-MD", "-c", f"{step}/src/a.c", "-o", f"{step}/b/a.o", step=step).said

    assert said("/store/work/1", "-DX") == said("/elsewhere/2", "-DX")
    # What a macro says may be in the object.
    first, second = (said(step, f'-DX="{step}/x"') for step in ("/store/work/1", "/elsewhere/2"))
    assert first != second


def test_paths_are_kept_without_the_directory_of_the_step() -> None:
    assert PLACE.hide(f"{STEP}/src/a.h") == "@/src/a.h"
    assert PLACE.show("@/src/a.h") == f"{STEP}/src/a.h"
    assert PLACE.hide(f"{STEP}1/a.h") == f"{STEP}1/a.h"
    with pytest.raises(NotReusable):
        PLACE.hide("@/src/a.h")


@pytest.mark.parametrize("name", ["tmp/tmpa0_9zzzz", "src/.mesonpy-a0_9zzzz"])
def test_a_directory_of_a_random_name_is_kept_without_it(name: str) -> None:
    place = Place(STEP, "/tools", f"{STEP}/{name}/build")
    other = Place("/other", "/tools", f"/other/{name[:-1]}x/build")
    for path in (f"{STEP}/{name}/build/a.h", f"{STEP}/src/a.h", "../a.h"):
        assert place.show(place.hide(path)) == path
    text = f"{STEP}/{name}/b.h {STEP}/src/a.h".encode()
    assert place.shown(place.hidden(text)) == text
    assert place.hide(f"{STEP}/{name}/build/a.h") == other.hide(f"/other/{name[:-1]}x/build/a.h")
    assert place.is_named_in(b"in tmp/tmpa0_9zzzz" if "tmp/" in name else b".mesonpy-a0_9zzzz")
    assert not place.is_named_in(b"in tmp/tmpanother")


def test_where_a_header_would_be_found_is_part_of_what_an_object_depends_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (second / "sub").mkdir(parents=True)
    (second / "sub" / "a.h").touch()
    folders, names = [str(first), str(second)], ["sub/a.h", "b.h"]
    before = looked_for(folders, names)
    (second / "other.h").touch()
    assert looked_for(folders, names) == before
    (first / "b.h").mkdir(parents=True)  # a directory is no header
    assert looked_for(folders, names) == before
    (first / "sub").mkdir()
    (first / "sub" / "a.h").touch()
    assert looked_for(folders, names) != before


def test_all_that_a_file_may_ask_for_is_looked_for(tmp_path: Path) -> None:
    include = tmp_path / "include"
    (include / "lib").mkdir(parents=True)
    read = tmp_path / "a.c"
    read.write_text(
        '#include "one.h"\n  # include <sub/two.h>\n#if HAS(<three>)\n#endif\n'
        '#def\\\nine WANTED "four.h"\n#include WANTED\nchar *s = "no.h";\n'
    )
    found = include / "lib" / "five.h"
    found.touch()
    names = names_in([str(read), str(found)], [str(include)], PLACE)
    assert {"one.h", "sub/two.h", "three", "four.h", "lib/five.h", "five.h"} <= names
    assert "no.h" not in names


@pytest.mark.parametrize(
    "text",
    [
        'asm(".incbin \\"data.bin\\"");',
        'asm("nop\\n.include \\"x.s\\"");',
        "const char *when = __TIMESTAMP__;",
        "char x[] = {\n#embed <data.bin>\n};",
    ],
)
def test_a_file_that_reads_what_no_list_tells_of_is_left_to_the_compiler(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "a.c").write_text(text)
    with pytest.raises(NotReusable):
        names_in([str(tmp_path / "a.c")], [], PLACE)


def test_the_headers_of_a_rule_for_make_are_read(tmp_path: Path) -> None:
    call = parsed("-c", "a.c")
    rule = tmp_path / "a.d"
    rule.write_text("a.o: a.c include/b.h \\\n /usr/include/c.h\n\ninclude/b.h:\n")
    assert headers_told(call, str(rule)) == ["a.c", "include/b.h", "/usr/include/c.h"]
    rule.write_text("a.o: a.c with\\ blank.h\n")
    with pytest.raises(NotReusable):
        headers_told(call, str(rule))
    rule.write_text("other.o: other.c\n")
    with pytest.raises(NotReusable):
        headers_told(call, str(rule))


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"mpforge object 1\nx\n\n", b"mpforge object 1\nx\ns 1\n\n"]
)
def test_what_is_no_whole_object_answers_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "object").write_bytes(data)
    assert not reuse(str(tmp_path / "object"), parsed("-c", "a.c"), PLACE)
    assert not reuse(str(tmp_path / "none"), parsed("-c", "a.c"), PLACE)
