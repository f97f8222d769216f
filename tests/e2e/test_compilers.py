"""The compilers of a target compile and link for it, the same bytes in any directory."""

from pathlib import Path

import pytest

from mpforge import processes
from mpforge.artifacts import elf
from mpforge.artifacts.binary_format import Promise
from mpforge.artifacts.instructions import newer_instructions
from mpforge.platforms import Platform, well_known
from mpforge.store.tool_store import ToolTree
from mpforge.toolchains import compiler_wrappers, target_view
from mpforge.toolchains.compiler_wrappers import WrapperNote
from mpforge.toolchains.target_view import View
from mpforge.toolchains.zig import Zig
from tests.e2e.target_compilers import AARCH64, PATH, POLICY, C, Step, machine_and_glibc

pytestmark = pytest.mark.cross


CXX = """
#include <stdexcept>
#include <string>
extern "C" int g(const char *s) {
  try { if (!*s) throw std::runtime_error(std::string(s) + __FILE__); }
  catch (const std::exception &e) { return e.what()[0]; }
  return 0;
}
"""


def needing_a_newer_cpu(library: Path, platform: Platform) -> tuple[str, ...]:
    """The reasons why a library does not run on a platform's oldest CPU."""
    promise = Promise(platform, platform.default_policy)
    files = {library.name: elf.read(library)}
    return newer_instructions(library.parent, files, promise).refused


LOOPS = """
double f(const double *p, int n) {
  double a[24] = {0};
  for (; n--; p += 24) for (int i = 0; i < 24; i++) a[i] += a[(i + 7) % 24] * p[i];
  double sum = 0;
  for (int i = 0; i < 24; i++) sum += a[i];
  return sum;
}
int g(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i] ^ n; return s / n; }
long h(long *p) { return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST); }
"""


def test_loops_are_compiled_for_each_target_s_oldest_cpu_unless_a_newer_one_is_named(
    tmp_path: Path, zig: tuple[Zig, ToolTree]
) -> None:
    """Vectors, integer division and 32 registers of doubles, where the oldest CPU lacks them."""
    (tmp_path / "a.c").write_text(LOOPS, encoding="utf-8")
    caches = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    environment = {"PATH": PATH} | dict.fromkeys(caches, str(tmp_path / "cache"))
    newer = {"x86_64": "haswell", "armv7l": "cortex_a7", "s390x": "z13"}
    for platform in filter(lambda one: one.available, well_known().values()):
        for cpu in {None, newer.get(platform.name)}:
            target = compiler_wrappers.zig_target(platform, platform.default_policy)
            flags = [*compiler_wrappers.flags(platform), *([f"-mcpu={cpu}"] if cpu else [])]
            link = ["-O3", "-shared", "-fPIC", "-nostdlib", "a.c", "-o", "a.so"]
            argv = [str(zig[0].path), "cc", "-target", target, *flags, *link]
            answer = processes.capture(argv, environment=environment, cwd=tmp_path)
            assert answer.returncode == 0, answer.stderr
            found = needing_a_newer_cpu(tmp_path / "a.so", platform)
            assert bool(found) == (cpu is not None), (platform.name, cpu, found)
            assert all(reason.startswith(("a.so: f+0x", "a.so: g+0x")) for reason in found)


@pytest.mark.parametrize(
    ("variable", "name", "text"), [("CC", "a b.c", C), ("CXX", "a b.cc", CXX)], ids=["c", "c++"]
)
def test_two_directories_give_the_same_bytes_for_the_target(
    tmp_path: Path, zig: tuple[Zig, ToolTree], variable: str, name: str, text: str
) -> None:
    results = []
    for place in ("one", "another directory"):
        tree = tmp_path / place / "tree"
        target_view.make_view(tree, View(AARCH64, POLICY, cross=True))
        step = Step(tmp_path / place / "step", tree, zig)
        source = step.write(f"src/{name}", text)
        step.must(variable, "-g", "-O3", "-fPIC", "-c", str(source), "-o", "a b.o")
        step.must(variable, "-shared", "a b.o", "-O3", "-lm", "-o", "a b.so")
        linked = step.directory / "a b.so"
        assert machine_and_glibc(linked)[0] == "EM_AARCH64"
        assert (2, 0) < machine_and_glibc(linked)[1] <= (2, 17)
        # libunwind, which zig links into C++, has some of SVE.
        assert needing_a_newer_cpu(linked, AARCH64) == ()
        results.append((linked.read_bytes(), (step.directory / "a b.o").read_bytes()))
    assert results[0] == results[1]
    assert not [blob for blob in results[0] if str(tmp_path).encode() in blob]


def test_what_debian_and_pyenv_leave_in_cflags_compiles_and_links(step: Step) -> None:
    step.write("a.c", C)
    debian = "-g -fwrapv -O2 -fstack-protector-strong -Wformat -Werror=format-security"
    fedora = "-flto=auto -ffat-lto-objects -fcf-protection -Wp,-D_FORTIFY_SOURCE=2 -mtune=generic"
    link = "-shared -Wl,-O1 -Wl,-Bsymbolic-functions -Wl,-z,relro,-z,now,-z,pack-relative-relocs"
    flags = f"{debian} {fedora} -fstack-clash-protection -fno-semantic-interposition".split()
    step.must("CC", *flags, "-fPIC", "-c", "a.c", "-o", "a.o")
    step.must("CC", *link.split(), *flags, "a.o", "-o", "a.so")
    dropped = {
        note.flag for note in compiler_wrappers.read_notes(step.log) if note.kind == "dropped"
    }
    assert {"-flto=auto", "-fcf-protection"} <= dropped
    assert machine_and_glibc(step.directory / "a.so")[1] <= (2, 17)


def test_a_program_is_stripped_of_what_names_this_machine_unless_debugging_is_asked_for(
    step: Step,
) -> None:
    header = Path(step.environment["CC"]).parent / ".." / "include" / "here.h"
    header.parent.mkdir(exist_ok=True)
    header.write_text("static const char *here(void) { return __FILE__; }\n", encoding="utf-8")
    main = '#include "here.h"\nint main(void) { puts(here()); return 0; }\ndouble f'
    source = step.write("a.c", C.replace("double f", main))
    step.must("CC", "-g", "-O3", f"-I{header.parent}", str(source), "-lm", "-o", "a")
    program = (step.directory / "a").read_bytes()
    assert b".debug_info" not in program
    assert b"/mpforge/view/include/here.h" in program
    assert str(step.directory.parent).encode() not in program
    step.environment["MPFORGE_DEBUG"] = "1"
    step.must("CC", "-g", "-O3", f"-I{header.parent}", "-c", str(source), "-o", "b.o")
    assert b".debug_info" in (step.directory / "b.o").read_bytes()


def test_an_archive_is_made_listed_and_linked(step: Step) -> None:
    step.write("a.c", C)
    step.must("CC", "-O2", "-c", "a.c", "-o", "a.o")
    step.must("AR", "rcs", "liba.a", "a.o")
    step.must("RANLIB", "liba.a")
    step.write("m.c", "double f(double);\nint main(void) { return (int)f(0); }\n")
    step.must("CC", "m.c", "-L.", "-la", "-lm", "-o", "m")
    step.must("STRIP", "m")
    assert machine_and_glibc(step.directory / "m") == ("EM_AARCH64", (2, 17))
    assert step.call("AR", "t", "liba.a").stdout == "a.o\n"
    assert WrapperNote("dropped", "strip m") in compiler_wrappers.read_notes(step.log)


def test_a_program_may_come_from_standard_input(step: Step) -> None:
    source = step.write(
        "a.c", "int x = __GLIBC__;\n#include <features.h>\nint y=__GLIBC_MINOR__;\n"
    )
    script = f'"$CC" -E - < "{source}"'
    answer = processes.capture(["/bin/sh", "-c", script], environment=step.environment)
    assert "int y=17;" in answer.stdout


def test_a_directory_of_the_host_is_refused_naming_the_call(step: Step) -> None:
    step.write("a.c", C)
    answer = step.call("CC", "-I/usr/include", "-O3", "-c", "a.c")
    assert answer.returncode == 1
    call = f"{step.environment['CC']} -I/usr/include -O3 -c a.c"
    assert "-I/usr/include is of this host" in answer.stderr
    assert f"the call: {call}" in answer.stderr
    refused = WrapperNote("refused", "-I/usr/include", call, str(step.directory))
    assert [*compiler_wrappers.read_notes(step.log)] == [refused]


def test_a_native_compiler_refuses_no_directory(tmp_path: Path, zig: tuple[Zig, ToolTree]) -> None:
    target_view.make_view(tmp_path / "tree", View(well_known()["x86_64"], POLICY, cross=False))
    step = Step(tmp_path / "step", tmp_path / "tree", zig)
    step.write("a.c", "int f(void) { return 1; }\n")
    step.must("CC", "-I/usr/include", "-O3", "-c", "a.c")


def test_a_compiler_outside_of_a_step_says_that_it_needs_one(step: Step) -> None:
    answer = processes.capture([step.environment["CC"], "-c", "a.c"], environment={"PATH": PATH})
    assert answer.returncode != 0
    assert "within a step of mpforge" in answer.stderr
