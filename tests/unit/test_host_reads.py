"""What was read of the host, from what the preloaded library has noted."""

import os
import time
from pathlib import Path

import pytest

from mpforge.keys.walk import ABSENT
from mpforge.store.file_digests import FileDigests
from mpforge.toolchains import host_reads
from mpforge.toolchains.host_arguments import NamedPaths
from mpforge.toolchains.host_reads import NOTES, UNSURE

LATER = 10**12
LONG_AGO = 0


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Path:
    """A host with a header, and a step with one of its own."""
    for path in ("host/x.h", "step/src/own.h", "cache/tools/zig.h"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("int x;")
    return tmp_path / "host"


def _read(
    host: Path, *notes: str, since: int | None = None, words: NamedPaths | None = None
) -> dict[str, str]:
    """What counts of these notes and of what calls name, by path relative to the host."""
    step = host.parent / "step"
    lines = [line.replace("@", str(host.parent)) for line in notes]
    (step / NOTES).write_text("".join(f"{line}\n" for line in lines))
    since = time.time_ns() + LATER if since is None else since
    own = [step, host.parent / "cache"]
    found = host_reads.read(
        step / NOTES,
        words or NamedPaths(),
        own=own,
        since=since,
        digests=FileDigests(host.parent / "memo"),
    )
    return {path.replace(str(host.parent), "@"): value for path, value in found.items()}


def test_a_file_of_the_host_counts_by_its_content_and_an_absent_one_by_its_absence(
    host: Path,
) -> None:
    before = _read(host, "+@/host/x.h", "+@/host/x.h", "-@/host/first/x.h")
    assert before == {"@/host/first/x.h": ABSENT, "@/host/x.h": before["@/host/x.h"]}
    paths = {path.replace("@", str(host.parent)): value for path, value in before.items()}
    memo = FileDigests(host.parent / "memo")
    assert host_reads.contents(paths, memo) == paths
    (host / "x.h").write_text("int y;")
    assert host_reads.contents(paths, memo)[f"{host}/x.h"] not in (paths[f"{host}/x.h"], ABSENT)
    (host / "first").mkdir()
    (host / "first" / "x.h").write_text("")
    assert host_reads.contents(paths, memo)[f"{host}/first/x.h"] != ABSENT
    (host / "x.h").unlink()
    assert host_reads.contents(paths, memo)[f"{host}/x.h"] == ABSENT


def test_files_of_the_step_of_the_cache_and_of_the_kernel_do_not_count(host: Path) -> None:
    notes = (
        "+@/step/src/own.h",
        "-@/step/none",
        "+@/cache/tools/zig.h",
        "+/proc/self/maps",
        "+/dev/null",
    )
    assert _read(host, *notes) == {}
    assert _read(host, "-@/host/x.h.gch") == {}, "a header that is compiled beforehand"
    words = NamedPaths(
        {f"{host.parent}/{path}" for path in ("step", "step/.", "cache/tools/none")}, set()
    )
    assert _read(host, words=words) == {}


def test_what_leaves_the_step_by_a_link_or_by_dots_counts(host: Path) -> None:
    step = host.parent / "step"
    (step / "folder").symlink_to(host)
    (step / "file.h").symlink_to(host / "x.h")
    for way in ("@/step/folder/x.h", "@/step/file.h", "@/step/src/../../host/x.h"):
        (name,) = _read(host, f"+{way}")
        assert name == "@/host/x.h"


def test_nothing_is_sure_of_a_file_that_changed_while_the_build_ran(host: Path) -> None:
    assert _read(host, "+@/host/x.h", since=LONG_AGO) == {"@/host/x.h": UNSURE}
    appeared = _read(host, "-@/host/x.h", since=LONG_AGO)
    assert appeared == {"@/host/x.h": UNSURE}
    assert _read(host, "-@/host/x.h") == {}, "a root of its own does not show it"
    assert _read(host, "+@/host/gone.h") == {"@/host/gone.h": UNSURE}
    digests = FileDigests(host / "m")
    found = host_reads.contents([str(host / "x.h"), str(host / "gone.h")], digests)
    assert UNSURE not in found.values()


def test_a_directory_where_a_file_was_looked_for_is_one(host: Path) -> None:
    (value,) = _read(host, "+@/host").values()
    os.utime(host)
    assert _read(host, "+@/host") == {"@/host": value}
    assert value not in (ABSENT, UNSURE)


def test_a_library_at_a_path_that_ld_preload_can_t_hold_is_of_no_use(tmp_path: Path) -> None:
    for folder, usable in (("plain", True), ("with space", False), ("with:colon", False)):
        (tmp_path / folder).mkdir()
        library = tmp_path / folder / host_reads.LIBRARY
        assert not host_reads.is_usable(library)
        library.touch()
        assert host_reads.is_usable(library) is usable


def test_of_a_directory_that_a_call_names_all_files_count(host: Path) -> None:
    words = NamedPaths({str(host), f"{host}/none"}, {f"{host}/x.h", f"{host}/libx.a"})
    before = _read(host, words=words)
    assert set(before) == {"@/host/**", "@/host/none/**", "@/host/x.h", "@/host/libx.a"}
    assert before["@/host/none/**"] == before["@/host/libx.a"] == ABSENT
    assert _read(host, words=words) == before
    (host / "below").mkdir()
    (host / "below/y.h").touch()
    now = _read(host, words=words)
    assert [path for path in now if now[path] != before[path]] == ["@/host/**"]
    assert _read(host, words=words, since=LONG_AGO)["@/host/**"] == UNSURE


def test_of_a_cpu_the_model_and_features_count_and_its_clock_does_not(tmp_path: Path) -> None:
    def identity(*lines: str) -> str:
        (tmp_path / "cpuinfo").write_text("".join(f"{line}\n" for line in lines))
        return host_reads.cpu_identity(tmp_path / "cpuinfo")

    known = identity("processor\t: 0", "cpu MHz\t\t: 2400.1", "flags\t\t: fpu sse2 avx")
    assert identity("processor\t: 1", "cpu MHz\t\t: 800.0", "flags\t\t: fpu sse2 avx") == known
    assert identity("processor\t: 0", "cpu MHz\t\t: 2400.1", "flags\t\t: fpu sse2") != known
    assert identity("Features\t: fp asimd", "") != identity("Features\t: fp asimd sve", "")


def test_this_cpu_is_the_one_file_of_the_kernel_that_counts(host: Path) -> None:
    found = _read(host, "+/proc/cpuinfo", "+/proc/meminfo", since=LONG_AGO)
    assert found == {"/proc/cpuinfo": host_reads.cpu_identity()}
