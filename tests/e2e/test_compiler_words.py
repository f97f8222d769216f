"""What compilers and linkers are told means to a target's compilers what it means to this host's gcc."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from tests.e2e.target_compilers import Step

pytestmark = pytest.mark.cross

FILES = {
    "mod.c": """
        int vend(void); int absent(void) __attribute__((weak));
        __attribute__((noinline)) int inner(void) { __asm__ volatile(""); return 1; }
        int outer(void) { return inner() + vend() + (absent ? absent() : 0); }
    """,
    "vend.c": "int vend(void) { return 42; } int idle(void) { return 1; }",
    "wants.c": "int nowhere(void); int wants(void) { return nowhere(); }",
    "again.c": "int inner(void) { return 2; }",
    "wrap.c": "int __real_vend(void); int __wrap_vend(void) { return __real_vend(); }",
    # A list that is known by its begin and end only, as plugins are.
    "set.c": """
        #define PUT(n) static int n __attribute__((section("pluginset"), used)) = 1
        PUT(a); PUT(b); extern int __start_pluginset[], __stop_pluginset[];
        int plugins(void) { return __stop_pluginset - __start_pluginset; }
    """,
    "more.c": 'static int c __attribute__((section("pluginset"), used)) = 3;',
    "one.map": "{ global: outer; no_such_name; local: *; };",
    "list.txt": "{ outer; };",
}
OURS = {"vend", "idle", "inner", "outer", "wants", "plugins", "foo_abs", "__wrap_vend", "absent"}
LINKS = [
    "mod.o -lvend",
    "mod.o -lvend -Wl,--exclude-libs,ALL",
    "mod.o -lvend -Wl,--exclude-libs=libvend.a -Wl,-O1,--sort-common",
    "mod.o -lvend -Wl,--exclude-libs,libother.a",
    "mod.o -lvend -Wl,--version-script=one.map",
    "mod.o -lvend -Wl,--version-script,one.map -Wl,--no-undefined-version",
    "mod.o -lvend -Wl,--dynamic-list=list.txt",
    "mod.o -lvend -Wl,--export-dynamic-symbol-list=list.txt",
    "mod.o -lvend -Wl,-Bsymbolic",
    "mod.o -lvend -Wl,-Bsymbolic-functions",
    "mod.o -lvend -Wl,--defsym=foo_abs=42",
    "mod.o wrap.o -lvend -Wl,--wrap=vend",
    "mod.o -Wl,--whole-archive -lvend -Wl,--no-whole-archive",
    "mod.o -Wl,--push-state,--whole-archive -lvend -Wl,--pop-state -lm",
    "mod.o -l:libvend.a",
    "mod.o libvend.a -Wl,-z,text,-z,initfirst,-z,separate-code -static-libgcc -pthread",
    "mod.o -lvend -Xlinker --exclude-libs -Xlinker ALL",
    "mod.o wants.o -lvend",
    "mod.o wants.o -lvend -Wl,-z,defs",
    "mod.o wants.o -lvend -Wl,--no-undefined -Wl,--unresolved-symbols=ignore-all",
    "mod.o again.o -lvend",
    "mod.o again.o -lvend -Wl,-z,muldefs",
    "mod.o again.o -lvend -Wl,--allow-multiple-definition",
    "set.o more.o",
    "set.o more.o -Wl,--gc-sections",
    "mod.c vend.c -Wl,--exclude-libs,ALL -Wl,-Map=out.map",
    "mod.o -lvend -Wl,--a-word-that-nobody-knows",
    # of the compiler
    "mod.c vend.c -std=c++17 -fno-gnu-unique -fvisibility=hidden",
    "mod.c vend.c -std=gnu++14 -std=gnu99 -Wno-of-another-compiler -fno-semantic-interposition",
    "mod.c vend.c -Werror -Wduplicated-cond -Wno-maybe-uninitialized -Wl,--no-warnings",
    "mod.c vend.c -fno-ipa-sra -fno-printf-return-value -fconserve-stack -fno-plt",
    "mod.c vend.c -std=c++17 -Werror=implicit-function-declaration -fplan9-extensions",
]
REFUSED = {LINKS[-1]: "gcc knows an option that clang has not, which changes what C means"}


@dataclass(frozen=True)
class Linked:
    """What a shared library shows: its own symbols, those bound at load time, a named section."""

    exported: frozenset[str]
    bound_late: frozenset[str]
    plugins: int


def linked(path: Path) -> Linked:
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".dynsym")
        assert isinstance(symbols, SymbolTableSection)
        exported = {s.name for s in symbols.iter_symbols() if s["st_shndx"] != "SHN_UNDEF"}
        late = {
            symbols.get_symbol(relocation["r_info_sym"]).name
            for section in elf.iter_sections()
            if isinstance(section, RelocationSection)
            for relocation in section.iter_relocations()
        }
        assert any(isinstance(section, DynamicSection) for section in elf.iter_sections())
        plugins = elf.get_section_by_name("pluginset")
        size = 0 if plugins is None else plugins.data_size
        return Linked(frozenset(exported & OURS), frozenset(late & OURS), size)


def made(directory: Path, call: "list[str]", link: str) -> Linked | None:
    """What a link gives; None: it fails."""
    result = directory / "lib.so"
    result.unlink(missing_ok=True)
    argv = [*call, "-shared", "-fPIC", "-L.", *link.split(), "-o", "lib.so"]
    ended = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    return linked(result) if ended.returncode == 0 else None


def test_words_have_the_meaning_that_gcc_gives_them(step: Step, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    for name, text in FILES.items():
        step.write(name, text)
        (host / name).write_text(text, encoding="utf-8")
    objects = [name for name in FILES if name.endswith(".c")]
    compiled = ["-O1", "-fPIC", "-c", *objects]
    step.must("CC", *compiled)
    step.must("AR", "rcs", "libvend.a", "vend.o")
    subprocess.run(["gcc", *compiled], cwd=host, check=True)
    subprocess.run(["ar", "rcs", "libvend.a", "vend.o"], cwd=host, check=True)
    ours = ["env", *(f"{n}={v}" for n, v in step.environment.items()), step.environment["CC"]]
    different = {
        link: (by_gcc, by_zig)
        for link in LINKS
        if (by_gcc := made(host, ["gcc"], link)) != (by_zig := made(step.directory, ours, link))
    }
    assert set(different) == set(REFUSED), different
    assert (step.directory / "out.map").exists()


def test_a_word_that_nobody_knows_is_named(step: Step) -> None:
    step.write("a.c", "int f(void) { return 1; }")
    answer = step.call("CC", "-shared", "a.c", "-Wl,--of-tomorrow", "-o", "a.so")
    assert "unknown argument '--of-tomorrow'" in answer.stderr
    answer = step.call("CC", "-fopenmp", "-c", "a.c")
    assert answer.returncode != 0
    assert "openmp-unavailable: -fopenmp" in answer.stderr
