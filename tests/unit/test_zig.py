import pytest

from mpforge.toolchains.zig import Runtime, runtime_flags


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        (("-O2 -g -Wall -fvisibility=hidden",), ()),
        (("-Os",), ("-Os",)),
        (("-Os -O2",), ()),
        (("-O2", "-Oz"), ("-Oz",)),
        (("-mcpu=cortex-a53 -O3", "-mcpu=cortex-a72"), ("-mcpu=cortex-a72",)),
        (("-march=armv8.2-a",), ("-march=armv8.2-a",)),
        (("-flto=auto",), ()),
        (("-flto -fno-lto",), ()),
        (("-fomit-frame-pointer -funwind-tables",), ("-fomit-frame-pointer", "-funwind-tables")),
    ],
)
def test_of_a_build_s_flags_those_count_that_zig_makes_its_own_libraries_with(
    given: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    assert runtime_flags(given) == kept


def test_zig_s_libraries_are_known_by_all_that_they_are_made_from() -> None:
    runtimes = [
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-a",)),
        Runtime("zag", "aarch64-linux-gnu.2.17", ("-a",)),
        Runtime("zig", "aarch64-linux-gnu.2.28", ("-a",)),
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-b",)),
        Runtime("zig", "aarch64-linux-gnu.2.17", ("-a",), ("-Os",)),
    ]
    names = {runtime.name(language) for runtime in runtimes for language in ("c", "c++")}
    assert len({digest for _, digest in names}) == 2 * len(runtimes)
