"""What ships is proved: versions, undefined symbols, the stable ABI; told by file and symbol."""

import zipfile
from pathlib import Path

import pytest

from mpforge.artifacts import wheels
from mpforge.artifacts.binary_format import Promise
from mpforge.artifacts.proof import prove_files, prove_wheel
from mpforge.errors import MpforgeError, StableAbiBroken, UndefinedSymbol, WheelRejected
from mpforge.platforms import well_known
from mpforge.platforms.symbols import cpython_exports, glibc_symbols, stable_abi
from tests.unit.elfmaker import OBJECT, X86_64, Elf, header

ARM = well_known()["aarch64"]
PROMISE = Promise(ARM, "manylinux_2_17")
SUFFIX = "cpython-311-aarch64-linux-gnu.so"
LIBC = ("libc.so.6",)


def module(*undefined: str, needed: tuple[str, ...] = LIBC, **exports: bool) -> bytes:
    return Elf(needed=needed, undefined=undefined, exported=("PyInit_it", *exports)).data


def library(*exported: str, soname: str = "", needed: tuple[str, ...] = LIBC) -> bytes:
    return Elf(needed=needed, exported=exported, soname=soname).data


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def proved(root: Path, files: dict[str, bytes], promise: Promise = PROMISE) -> str | None:
    """What a wheel for CPython 3.11 is refused for; None: it passes."""
    name = "it-1-cp311-cp311-manylinux_2_17_aarch64.whl"
    try:
        prove_wheel(name, put(root, files), "cp311", promise, pure=False)
    except MpforgeError as error:
        return f"{error}"
    return None


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elf", "reason"),
    [
        (Elf(undefined=("f@GLIBC_2.28@libc.so.6",)), "needs GLIBC_2.28, manylinux_2_17 has 2.17"),
        (Elf(relr=True), "needs GLIBC_2.36, by DT_RELR, manylinux_2_17 has 2.17"),
        (
            Elf(needed=("libstdc++.so.6",), undefined=("f@GLIBCXX_3.4.29@libstdc++.so.6",)),
            "needs GLIBCXX_3.4.29 (libstdc++.so.6), manylinux_2_17 has 3.4.19",
        ),
        (
            Elf(needed=("libstdc++.so.6",), undefined=("f@CXXABI_1.3.13@libstdc++.so.6",)),
            "needs CXXABI_1.3.13 (libstdc++.so.6), manylinux_2_17 has 1.3.7",
        ),
        (
            Elf(needed=("libgcc_s.so.1",), undefined=("f@GCC_7.0.0@libgcc_s.so.1",)),
            "needs GCC_7.0.0 (libgcc_s.so.1), manylinux_2_17 has 4.7.0",
        ),
        (Elf(undefined=("f@GLIBC_PRIVATE@libc.so.6",)), "needs GLIBC_PRIVATE (libc.so.6)"),
        (
            Elf(needed=("libz.so.1",), undefined=("inflate_table",)),
            "needs inflate_table, which libz",
        ),
        (Elf(needed=("libpcre.so.3",)), "needs libpcre.so.3, which the policy does not allow"),
        (Elf(interpreter="/nix/store/ld-linux-aarch64.so.1"), "uses the loader /nix/store/"),
        (Elf(system=9), "is not for Linux (EI_OSABI is 9)"),
        (Elf(rpath="/step/out"), "has an rpath into the build directory (/step/out)"),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)
def test_a_program_or_library_of_any_build_is_held_to_the_policy(
    elf: Elf, reason: str, tmp_path: Path
) -> None:
    promise = Promise(ARM, "manylinux_2_17", passing=Path("/step"))
    with pytest.raises(WheelRejected) as refused:
        prove_files(put(tmp_path, {"lib/it.so": elf.data}), promise)
    assert f"lib/it.so: {reason}" in f"{refused.value}"


def test_what_the_policy_has_passes_and_a_linker_s_object_has_no_needs(tmp_path: Path) -> None:
    versions = (
        "f@GLIBC_2.17@libc.so.6",
        "g@GLIBCXX_3.4.19@libstdc++.so.6",
        "h@GLIBC_ABI_DT_RELR@libc.so.6",
    )
    fine = Elf(needed=(*LIBC, "libstdc++.so.6"), undefined=versions[:2]).data
    prove_files(put(tmp_path, {"it.so": fine, "it.o": header(183, OBJECT)}), PROMISE)
    newer = Elf(needed=(*LIBC, "libstdc++.so.6"), undefined=versions, relr=True).data
    prove_files(put(tmp_path, {"it.so": newer}), Promise(ARM, "manylinux_2_36"))
    head = b"%-16s%-12s%-6s%-6s%-8s%-10d`\n" % (b"a.o/", b"0", b"0", b"0", b"644", 64)
    put(tmp_path, {"x.a": b"!<arch>\n" + head + header(X86_64, OBJECT)})
    with pytest.raises(WheelRejected, match=r"x\.a\(a\.o\): is for EM_X86_64, not EM_AARCH64"):
        prove_files(tmp_path, PROMISE)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/build/src/out/libf.so.1", "an absolute path"),
        ("../../etc/passwd", "outside of the outputs"),
        ("../../outputs/libf.so.1", "outside of the outputs"),
        ("up/../../secret", "outside of the outputs"),
        ("libf.so.2", "not among the outputs"),
        ("it.so", "not among the outputs"),
    ],
)
def test_a_link_that_leads_out_of_the_outputs_is_refused(
    target: str, reason: str, tmp_path: Path
) -> None:
    root = put(tmp_path / "outputs", {"lib/libf.so.1": b"", "top": b""})
    (root / "lib" / "up").symlink_to("..")  # up/../../secret reads as if it were among the outputs
    (root / "lib" / "it.so").symlink_to(target)
    with pytest.raises(WheelRejected) as refused:
        prove_files(root, PROMISE)
    assert f"lib/it.so leads to {target}, " in f"{refused.value}"
    assert reason in f"{refused.value}"
    assert "ln -sr" in (refused.value.hint or "")


def test_links_among_the_outputs_pass(tmp_path: Path) -> None:
    root = put(tmp_path, {"lib/libf.so.1": b"", "share/it/data": b""})
    (root / "lib" / "libf.so").symlink_to("libf.so.1")
    (root / "f.so").symlink_to("lib/libf.so")
    (root / "share" / "latest").symlink_to("it")
    (root / "share" / "up.so").symlink_to("../lib/libf.so")
    prove_files(root, PROMISE)


def test_a_pure_wheel_has_no_policy_to_keep(tmp_path: Path) -> None:
    files = put(tmp_path, {"it/__init__.py": b""})
    prove_wheel("it-1-py3-none-any.whl", files, "cp311", Promise(ARM, "any"), pure=True)


def test_extension_modules_are_not_for_purelib(tmp_path: Path) -> None:
    files = {f"it.{SUFFIX}": module("PyLong_FromLong")}
    folder = "it-1.dist-info/WHEEL"
    assert proved(tmp_path, {**files, folder: b"Root-Is-Purelib: false\n"}) is None
    told = proved(tmp_path, {**files, folder: b"Root-Is-Purelib: true\n"}) or ""
    assert "WHEEL says Root-Is-Purelib, but the wheel has extension modules" in told


# --- undefined symbols ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "remedy"),
    [
        ("__kmpc_fork_call", "OpenMP"),
        ("GOMP_parallel", "OpenMP"),
        ("omp_get_max_threads", "OpenMP"),
        ("__gcov_init", "leave out --coverage"),
        ("__llvm_profile_runtime", "leave out --coverage"),
        ("__asan_init", "leave out -fsanitize"),
        ("__ubsan_handle_add_overflow", "leave out -fsanitize"),
        ("_ZSt4cout", "link with the C++ compiler"),
        ("__atomic_load_16", "-latomic"),
        ("_PyObject_NotExported", "it may be private"),
        ("PyUnicode_EncodeMBCS", "it may be private"),
        ("helper_of_mine", "add the source file"),
    ],
)
def test_a_symbol_that_nothing_has_is_told_with_its_file_and_a_remedy(
    symbol: str, remedy: str, tmp_path: Path
) -> None:
    told = proved(tmp_path, {f"pkg/it.{SUFFIX}": module(symbol)}) or ""
    assert told.startswith("undefined-symbol: ")
    assert f"pkg/it.{SUFFIX}: undefined symbol {symbol}" in told
    assert remedy in told


def test_what_is_had_from_python_libc_or_a_library_is_fine(tmp_path: Path) -> None:
    files = {
        f"pkg/it.{SUFFIX}": module(
            *("PyObject_GetAttr", "_PyObject_GC_New", "pow", "read@GLIBC_2.17@libc.so.6"),
            *("of_a", "of_b", "inflate"),
            needed=("liba.so", "libz.so.1", *LIBC),
        ),
        "pkg/liba.so": library("of_a", needed=("libb-1234.so",)),
        "pkg.libs/libb-1234.so": library("of_b", soname="libb-1234.so"),
    }  # fmt: skip
    assert proved(tmp_path, files) is None


def test_a_library_that_is_loaded_before_may_have_it_and_a_module_may_not(tmp_path: Path) -> None:
    wants = {f"it.{SUFFIX}": module("of_other")}
    assert proved(tmp_path / "library", {**wants, "core.so": library("of_other")}) is None
    sibling = {**wants, f"other.{SUFFIX}": module(of_other=True)}
    assert "undefined symbol of_other" in (proved(tmp_path / "module", sibling) or "")
    globally = {
        **sibling,
        "it/__init__.py": b"import os, sys\nsys.setdlopenflags(os.RTLD_GLOBAL)\n",
    }
    assert proved(tmp_path / "globally", globally) is None


def test_a_library_of_the_user_s_may_have_anything_and_named_symbols_may_be_wanted(
    tmp_path: Path,
) -> None:
    files = {f"it.{SUFFIX}": module("cuInit", needed=("libcuda.so.1", *LIBC))}
    assert "needs libcuda.so.1" in (proved(tmp_path, files) or "")
    assert proved(tmp_path, files, Promise(ARM, "manylinux_2_17", ("libcuda.so.*",))) is None
    plugin = put(tmp_path / "lua", {"it.so": Elf(needed=LIBC, undefined=("lua_newstate",)).data})
    with pytest.raises(UndefinedSymbol, match=r'allow-undefined = \["lua_newstate"\]'):
        prove_files(plugin, PROMISE)
    prove_files(plugin, Promise(ARM, "manylinux_2_17", provided=("lua_*",)))


def test_a_shipped_library_must_have_what_was_linked_with_it(tmp_path: Path) -> None:
    files = {
        f"it.{SUFFIX}": module("f@A_1@liba.so", needed=("liba.so",)),
        "liba.so": Elf(exported=("g",), defines=("A_1",)).data,
    }
    assert "undefined symbol f: liba.so does not export it" in (proved(tmp_path, files) or "")


MUSL = Promise(well_known()["aarch64_musl"], "musllinux_1_2")
ITSELF = ("libc.musl-aarch64.so.1",)


def musl_proved(
    root: Path, *symbols: str, needed: tuple[str, ...] = ITSELF, python: str = "cp311"
) -> str | None:
    """Return why a musl wheel with one extension module is refused; None: it passes."""
    words = MUSL.platform.extension_platform(int(python[3:]))
    file = put(root, {f"it.cpython-{python[2:]}-{words}.so": module(*symbols, needed=needed)})
    try:
        prove_wheel(
            f"it-1-{python}-{python}-musllinux_1_2_aarch64.whl", file, python, MUSL, pure=False
        )
    except MpforgeError as error:
        return f"{error}"
    return None


def test_a_musl_wheel_may_use_what_the_first_musl_of_its_series_has(tmp_path: Path) -> None:
    assert musl_proved(tmp_path / "1.2.0", "memcpy", "getrandom", "PyLong_FromLong") is None
    for symbol in ("preadv2", "reallocarray", "qsort_r", "__memcpy_chk"):
        told = musl_proved(tmp_path / symbol, symbol) or ""
        assert f"undefined symbol {symbol}" in told


def test_a_symbol_of_a_newer_libc_is_told_with_its_version_and_what_to_do(tmp_path: Path) -> None:
    told = musl_proved(tmp_path, "qsort_r", "helper_of_mine") or ""
    assert "qsort_r: musl has it since 1.2.3, musllinux_1_2 promises an older one" in told
    assert "helper_of_mine: no library that it needs defines it" in told
    assert "turn off the feature that uses qsort_r" in told
    assert 'no policy promises musl 1.2.3, set `allow-undefined = ["qsort_r"]`' in told
    told = proved(tmp_path / "glibc", {f"it.{SUFFIX}": module("strlcpy")}) or ""
    assert "strlcpy: glibc has it since 2.38, manylinux_2_17 promises an older one" in told
    assert 'set `policy = "manylinux_2_38"` in [build]' in told


@pytest.mark.parametrize(
    ("needed", "reason"),
    [
        (("libc.so",), None),  # zig's name: musl's loader takes it for itself
        (("libc.so.6",), "needs libc.so.6, which the policy does not allow"),
        (("libc.musl-x86_64.so.1",), "needs libc.musl-x86_64.so.1, which the policy"),
    ],
)
def test_a_musl_wheel_needs_its_own_machine_s_musl(
    needed: tuple[str, ...], reason: str | None, tmp_path: Path
) -> None:
    told = musl_proved(tmp_path, "memcpy", needed=needed)
    assert told is None if reason is None else reason in (told or "")


def test_a_file_linked_with_glibc_is_not_for_musl_and_the_other_way_round(tmp_path: Path) -> None:
    told = musl_proved(tmp_path / "glibc", "read@GLIBC_2.17@libc.so.6", needed=LIBC) or ""
    assert "is linked with glibc, the C library of musllinux_1_2 is musl" in told
    told = proved(tmp_path / "musl", {f"it.{SUFFIX}": module("memcpy", needed=ITSELF)}) or ""
    assert "needs libc.musl-aarch64.so.1, which the policy does not allow" in told


def test_packed_relocations_are_not_for_musl_which_read_none_before_1_2_4(tmp_path: Path) -> None:
    name = f"it.cpython-311-{MUSL.platform.extension_platform(11)}.so"
    data = Elf(needed=ITSELF, undefined=("memcpy",), exported=("PyInit_it",), relr=True).data
    wheel = "it-1-cp311-cp311-musllinux_1_2_aarch64.whl"
    with pytest.raises(MpforgeError, match=r"musl reads since 1\.2\.4"):
        prove_wheel(wheel, put(tmp_path, {name: data}), "cp311", MUSL, pure=False)


def test_before_3_11_python_names_musl_s_modules_like_glibc_s(tmp_path: Path) -> None:
    assert musl_proved(tmp_path, "memcpy", python="cp310") is None
    assert [path.name for path in tmp_path.iterdir()] == ["it.cpython-310-aarch64-linux-gnu.so"]


def test_python_s_names_are_of_a_version_and_a_kind() -> None:
    def exported(name: str) -> list[str]:
        versions = ("cp38", "cp311", "cp313", "cp313t", "cp315")
        return [version for version in versions if name in (cpython_exports(version) or ())]

    assert exported("PyObject_GetAttr") == ["cp38", "cp311", "cp313", "cp313t", "cp315"]
    assert exported("Py_SetStandardStreamEncoding") == ["cp38", "cp311"]
    assert exported("PyUnstable_Module_SetGIL") == ["cp313t"]
    assert exported("PyDict_GetItemRef") == ["cp313", "cp313t", "cp315"]
    assert cpython_exports("cp327") is None
    assert "strlcpy" in glibc_symbols((2, 38)) - glibc_symbols((2, 37))
    assert stable_abi()["PyUnicode_AsUTF8AndSize"] == (3, 10)


def test_a_wheel_that_commands_made_is_looked_into(tmp_path: Path) -> None:
    def made(tag: str, module_: bytes) -> None:
        wheel = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
        files = {
            f"it.{SUFFIX}": module_,
            "it-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: it\nVersion: 1\n",
            "it-1.dist-info/WHEEL": wheel,
        }
        files["it-1.dist-info/RECORD"] = wheels.record_of(files, "it-1.dist-info/RECORD")
        with zipfile.ZipFile(tmp_path / f"it-1-{tag}.whl", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)

    made("cp311-cp311-linux_aarch64", module("PyLong_FromLong"))
    prove_files(tmp_path, PROMISE)
    made("cp311-cp311-linux_aarch64", module("forgotten"))
    with pytest.raises(UndefinedSymbol, match="forgotten"):
        prove_files(tmp_path, PROMISE)
    made("cp311-cp311-linux_aarch64", module("PyLong_FromLong"))
    made("py3-none-any", module("PyLong_FromLong"))
    with pytest.raises(
        WheelRejected, match="its platform tag is `any`, but it contains compiled code"
    ):
        prove_files(tmp_path, PROMISE)


def test_a_wheel_for_pypy_has_pypy_s_modules(tmp_path: Path) -> None:
    name, module = "it-1-pp311-pypy311_pp73-manylinux_2_17_aarch64.whl", Elf(undefined=["PyPy_X"])
    files = {"it.pypy311-pp73-aarch64-linux-gnu.so": module.data}
    prove_wheel(name, put(tmp_path, files), "pp311", PROMISE, pure=False)
    put(tmp_path, {f"other.{SUFFIX}": module.data})
    with pytest.raises(WheelRejected, match="is for cp311, the tag is pypy311_pp73"):
        prove_wheel(name, tmp_path, "pp311", PROMISE, pure=False)
    pure = "it-1-py3-none-any.whl"
    prove_wheel(pure, put(tmp_path / "pure", {"it.py": b""}), "pp311", PROMISE, pure=True)


# --- the stable ABI -------------------------------------------------------------------------------


def abi3(root: Path, tag: str, files: dict[str, bytes], python: str = "cp311") -> None:
    promise = Promise(ARM, "manylinux_2_17")
    name = f"it-1-{tag}-manylinux_2_17_aarch64.whl"
    prove_wheel(name, put(root, files), python, promise, pure=False)


@pytest.mark.parametrize(
    ("tag", "file", "symbol", "told"),
    [
        ("cp39-abi3", f"it.{SUFFIX}", "PyLong_FromLong", f"it.{SUFFIX} is for cp311 alone, the tag is abi3"),
        (
            *("cp310-abi3", "it.abi3.so", "PyUnicode_AsUTF8"),
            "it.abi3.so uses PyUnicode_AsUTF8, which is not in the stable ABI",
        ),
        (
            *("cp39-abi3", "it.abi3.so", "PyUnicode_AsUTF8AndSize"),
            "it.abi3.so uses PyUnicode_AsUTF8AndSize, which is in the stable ABI since 3.10, not 3.9",
        ),
        (
            *("cp39-abi3", "it.so", "_PyLong_Sign"),
            "it.so uses _PyLong_Sign, which is not in the stable ABI",
        ),
        ("py3-none", "it.so", "_PyLong_Sign", "it.so uses _PyLong_Sign, which is not in the stable ABI"),
        ("py3-none", f"it.{SUFFIX}", "PyLong_FromLong", f"it.{SUFFIX} is for cp311 alone, the tag is none"),
    ],
)  # fmt: skip
def test_a_wheel_for_many_pythons_holds_what_all_of_them_have(
    tag: str, file: str, symbol: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(StableAbiBroken) as refused:
        abi3(tmp_path, tag, {file: module(symbol)})
    assert told in f"{refused.value}"
    assert refused.value.code == "abi3-violation"


@pytest.mark.parametrize("tag", ["cp315-abi3t", "cp315-abi3.abi3t"])
def test_a_wheel_for_many_free_threaded_pythons_is_checked_alike(tag: str, tmp_path: Path) -> None:
    """PEP 803; CPython 3.15's importlib."""
    stable = module("PyLong_FromLong")
    abi3(tmp_path, tag, {"it.abi3t.so": stable}, "cp315t")
    with pytest.raises(StableAbiBroken, match=r"does not find it\.abi3\.so"):
        abi3(tmp_path / "gil", tag, {"it.abi3.so": stable}, "cp315t")
    with pytest.raises(StableAbiBroken, match="uses _PyLong_Sign, which is not in the stable ABI"):
        abi3(tmp_path / "private", tag, {"it.abi3t.so": module("_PyLong_Sign")}, "cp315t")


def test_a_wheel_for_many_pythons_that_is_right_passes(tmp_path: Path) -> None:
    stable = module("PyLong_FromLong", "PyUnicode_AsUTF8AndSize", "PyModuleDef_Init")
    abi3(tmp_path, "cp310-abi3", {"it.abi3.so": stable, "pkg/also.so": stable})
    abi3(tmp_path / "ctypes", "py3-none", {"it/libit.so": library("f"), "it/run": Elf().data})
    with pytest.raises(UndefinedSymbol):
        abi3(tmp_path, "cp310-abi3", {"it.abi3.so": module("forgotten")})


@pytest.mark.parametrize(
    ("suffix", "told"),
    [
        ("cpython-312-aarch64-linux-gnu.so", "is for cp312, the tag is cp311"),
        ("cpython-311t-aarch64-linux-gnu.so", "is for cp311t, the tag is cp311"),
        ("pypy311-pp73-aarch64-linux-gnu.so", "is for pypy311_pp73, the tag is cp311"),
        (
            "cpython-311-x86_64-linux-gnu.so",
            "is for x86_64-linux-gnu, Python looks for aarch64-linux-gnu",
        ),
        (SUFFIX, None),
        ("abi3.so", None),
        ("so", None),
        ("cpython-311.so", None),
    ],
)
def test_a_module_s_suffix_is_that_of_the_tag_s_python_and_machine(
    suffix: str, told: str | None, tmp_path: Path
) -> None:
    refused = proved(tmp_path, {f"pkg/it.{suffix}": module("PyLong_FromLong")})
    assert refused is None if told is None else f"pkg/it.{suffix} {told}" in (refused or "")
