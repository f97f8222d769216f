"""What of the host a call of a compiler names."""

from pathlib import Path

import pytest

from mpforge.toolchains.host_arguments import CALLS, NamedPaths, named


def _named(folder: Path, *calls: tuple[str, ...]) -> NamedPaths:
    """Of calls in /w, as `compiler.sh` keeps them."""
    (folder / CALLS).mkdir()
    for number, words in enumerate(calls):
        kept = "".join(f"{word}\0" for word in ("/w", *words, "\n"))
        with (folder / CALLS / str(number % 2)).open("a") as file:  # two of one process number
            file.write(kept)
    return named(folder / CALLS)


@pytest.mark.parametrize(
    "words",
    [
        ("-I/h",),
        ("-I", "/h"),
        ("-isystem/h",),
        ("-idirafter", "/h"),
        ("-iquote", "../h"),
        ("--include-directory=/h",),
        ("-Wp,-DA=1,-I/h",),
        ("-Wp,-I,/h",),
    ],
)
def test_a_directory_of_headers(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = _named(tmp_path, ("-c", "a.c", *words, "-O2"))
    assert found.headers in ({"/h"}, {"/w/../h"})
    assert found.files == set()


@pytest.mark.parametrize(
    "words",
    [
        ("-L/h", "-lx"),
        ("-L", "/h", "-l", "x"),
        ("-lx", "--library-directory=/h"),
        ("-Wl,-L,/h,-lx",),
        ("-Wl,--library-path=/h", "-Xlinker", "-lx"),
    ],
)
def test_a_library_may_be_shared_or_static_in_any_directory(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert _named(tmp_path, words).files == {"/h/libx.so", "/h/libx.a"}


def test_files_count_by_their_names_and_calls_do_not_mix(tmp_path: Path) -> None:
    found = _named(
        tmp_path,
        ("a.o", "/h/libx.a", "/h/liby.so.1.2", "-include", "/h/z.h", "-o", "x", "-Wl,/h/libw.so"),
        ("-L/h", "-l:odd.a", "a b.c"),
        ("-lother",),
    )
    own = {"/w/a.o", "/h/libx.a", "/h/liby.so.1.2", "/h/z.h", "/h/libw.so", "/h/odd.a"}
    assert found == NamedPaths(set(), own)
    assert named(tmp_path / "none") == NamedPaths()
