"""Whatever a file holds, its reader gives what it says or one of our errors: thousands of fixed inputs.

Nothing else may come out, so any other exception fails the test, and so does what takes long: a reader that
backtracks or recurses does not end here. No process starts.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpforge.artifacts import archives, canonical_archives
from mpforge.artifacts.core_metadata import requires_python
from mpforge.engine.project_facts import project_facts
from mpforge.errors import ArchiveRefused, MpforgeError, SpecInvalid
from mpforge.formats.toml import decoded, read_toml
from mpforge.kinds.inputs import Inputs
from mpforge.lock import lock_format
from mpforge.migrate.files import ProjectFiles
from mpforge.migrate.initial_spec import initial_spec
from mpforge.obtain.packages import package_index
from mpforge.obtain.rust import host_rust
from mpforge.plan.requirements import depends_on_patch, with_own_extras
from mpforge.sources import cargo
from mpforge.sources.project import locate
from mpforge.spec.load import find_problems, load_spec
from mpforge.store.trees import FileNode, from_entries
from tests.memory_store import MemoryStore

# --- odd TOML -----------------------------------------------------------------------------------

_ODD_VALUES = [
    *('""', '"a"', "-1", "0", "1.5", "inf", "nan", "true", "[]", "{}", "[[]]", '["a", 1]', "[{}]"),
    *("1979-05-27", "07:32:00", "{ a = { b = { c = 1 } } }", '[[[[["x"]]]]]', "'''\nmulti\n'''"),
    *('"\\u0000"', '"a\\u0000b"', '"\\u001b[31m"', '"\\n"', '"\\u2028"', '"\\U0010FFFF"', '"=" '),
    *('".."', '"../../etc"', '"/etc/passwd"', '"~"', '"$HOME"', '"-"', '"--help"', '"%s"', '"{x"'),
    *('"**"', '"[!"', '"***"', '"{a,b}"', '"{target}"', '"{{target}}"', f'"{"*a" * 40}*b"'),
    *(f'"{"A" * 300}"', f'"{"a/" * 3000}"', "9" * 5000, "0x" + "f" * 2000, "1e400", str(2**64)),
    *(
        '"cp3"',
        '"cp311t"',
        f'"cp3{"9" * 50}"',
        '"linux/"',
        '"manylinux_9999999999999_1"',
        '"x86_64"',
    ),
    *('"numpy==1.*.*"', '"a[b"', f'"a>={"9" * 5000}"', '"a @ file:///x"', '["a @ file:///etc"]'),
    *(
        f"\"a; {'(' * 500}python_version>'3'{')' * 500}\"",
        '">=3.9,<3.8"',
        '"~=3"',
        '"-1h"',
        '"1e9h"',
    ),
    *(f'">={"9" * 5000}"', f'"{"1" * 5000}h"', '["setuptools>=999"]', '"os:system"', '":"'),
]
_ODD_LINES = [
    *("[a]", "[[a]]", "[targets.x]", "[build.x]", "[[overrides]]", "[project]", "[tool.x]", "[]"),
    *("schema = 2", "build.kind = 'make'", "targets = {}", "overrides = []", "a = 1\na = 2", "\0"),
    *("[dependency-groups]\na = [{include-group = 'a'}]", "[dependency-groups]\na = 1"),
    *("[project.optional-dependencies]\nx = 1", "[project.optional-dependencies]\nx = [1]"),
    *("x = " + "[" * 5000, "x = " + "[" * 400 + "]" * 400, "x = " + "{a=" * 300 + "1" + "}" * 300),
    *(
        "[" + ".".join(["a"] * 99) + "]",
        "[" + ".".join(["a"] * 5000) + "]",
        "a." * 30_000 + "a = 1",
    ),
    *("[[package]]\nsource = 1", "package = 1", "workspace = 1", "target = 1", "dependencies = []"),
    *(
        "[source]\nx = 1",
        "include = 1",
        "include = [[1]]",
        "[toolchain]\nchannel = []",
        "toolchain = 1",
    ),
]
_ODD_CHARACTERS = [
    "\0",
    "\x1b",
    "\x7f",
    "\ufffe",
    "\ufeff",
    "'",
    '"',
    *"[]{}=.#\\",
    "\u2028",
    "\x0c",
    "\r",
]


def _odd_toml(text: str, chance: random.Random) -> bytes:
    """A TOML text with one to four things done to it."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        lines = text.split("\n")
        kind = chance.randrange(9)
        if kind <= 3:
            with_key = [n for n, line in enumerate(lines) if "=" in line] or [0]
            number = chance.choice(with_key)
            key = lines[number].split("=")[0]
            lines[number] = f"{key}= {chance.choice(_ODD_VALUES)}"
        elif kind == 4:
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(_ODD_LINES))
        elif kind == 5:
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
        elif kind == 6:
            del lines[chance.randrange(len(lines)) :]
        text = "\n".join(lines)
        if kind == 7:
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(_ODD_CHARACTERS) + text[at:]
        elif kind == 8:
            text = text.replace("\n", chance.choice(["\r\n", "\r"]))
    content = text.encode()
    return _flipped(content, chance) if chance.random() < 0.08 else content


def _flipped(content: bytes, chance: random.Random) -> bytes:
    """Cut off, or with a few bits turned."""
    if chance.random() < 0.2:
        return content[: chance.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 4]) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _fuzz(
    count: int, make: Callable[[random.Random], bytes], read: Callable[[bytes], object]
) -> None:
    """Read ``count`` inputs; some of them must be right and some wrong, or the inputs are no test."""
    chance = random.Random(10)
    right = 0
    for _ in range(count):
        content = make(chance)
        with contextlib.suppress(MpforgeError):
            read(content)
            right += 1
    assert 0 < right < count


EXAMPLES = Path(__file__).parents[2] / "examples"
SPECS = [
    *(path.read_text("utf-8") for path in sorted(EXAMPLES.glob("*/multiplatform.toml"))),
    """\
schema = 1
[project]
source = "."
python = ["cp311", "cp313"]
targets = ["aarch64", "x86_64"]
skip = ["aarch64-cp313"]
[sdist]
exclude = ["docs/**"]
[index]
url = "https://example.org/simple"
[build]
kind = "commands"
commands = ["echo {target} > out.txt", ["cp", "a", "b"]]
outputs = ["out.txt", "d/**"]
timeout = "2h"
requires = ["numpy>=2"]
tools = ["cmake>=3.28"]
policy = "manylinux_2_28"
environment = { A = "b", CFLAGS = "-O2" }
config-settings = { a = "b", c = ["d", "e"] }
[test]
command = ["pytest -q"]
sources = ["tests"]
cpus = ["cortex-a53"]
[targets.aarch64.build]
image = "auto"
[[overrides]]
select = "aarch64-*"
build = { environment = { Z = "1" } }
""",
]
PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
backend-path = ["."]
[project]
name = "demo"
version = "1"
requires-python = ">=3.11"
dependencies = ["packaging; python_version > '3'"]
classifiers = ["Programming Language :: Python :: 3"]
[project.optional-dependencies]
x = ["iniconfig"]
[dependency-groups]
test = ["pytest", { include-group = "more" }]
more = ["build"]
[tool.cibuildwheel]
build = "cp311-*"
before-build = "make"
environment = "A=b"
[[tool.cibuildwheel.overrides]]
select = "*musllinux*"
environment = { B = "c" }
"""
LOCK = """\
schema = 1
[[environments]]
purpose = "tool"
target = "x86_64"
python = "cp311"
requires = ["wheel"]
[[environments.packages]]
name = "wheel"
version = "0.45.1"
wheel = "wheel-0.45.1-py3-none-any.whl"
url = "https://example.org/wheel.whl"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
size = 1
[[strategies]]
target = "x86_64"
host = "x86_64"
strategy = "native"
toolchain = "gcc"
"""


def test_a_spec_is_read_or_its_problems_are_told_with_places() -> None:
    def read(content: bytes) -> None:
        text = decoded(content, "s.toml")
        problems = find_problems(text, file="s.toml")
        assert all(problem.place.file == "s.toml" for problem in problems)
        try:
            load_spec(text, file="s.toml")
        except SpecInvalid:
            assert any(not problem.warning for problem in problems)
            raise

    _fuzz(700, lambda chance: _odd_toml(chance.choice(SPECS), chance), read)


def test_a_pyproject_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    inputs = Inputs(locate(tmp_path, ".", "multiplatform.toml"), MemoryStore(tmp_path / "store"))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        with contextlib.suppress(UnicodeDecodeError):
            initial_spec(ProjectFiles({"pyproject.toml": content.decode()}))
        facts = project_facts(inputs, wheel=True)
        for text in facts.requires:
            depends_on_patch(text, target="x86_64", python="cp311")
        if facts.own is not None:
            groups = [text for _, texts in facts.groups for text in texts]
            with_own_extras(facts.own, groups, ["x"], target="x86_64", python="cp311")

    _fuzz(200, lambda chance: _odd_toml(PYPROJECT, chance), read)


def test_a_lock_is_read_or_refused() -> None:
    def read(content: bytes) -> None:
        lock_format.parse(content, "multiplatform.lock")

    _fuzz(500, lambda chance: _odd_toml(LOCK, chance), read)


CARGO = """\
[package]
name = "demo"
[dependencies]
b = { path = "b" }
[workspace]
members = ["b"]
[target."cfg(unix)".dependencies]
libc = { path = "c" }
[[package]]
name = "x"
source = "registry"
[source.v]
directory = "vendored"
[toolchain]
channel = "1.80"
"""


def test_cargo_s_files_never_end_a_run() -> None:
    """cargo itself will say what is wrong with them."""
    chance = random.Random(10)
    names = ("Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml")
    tree = from_entries({name: FileNode("0" * 64, 0) for name in names})
    for _ in range(500):
        odd = _odd_toml(CARGO, chance).decode("utf-8", "replace")
        cargo.crates(tree, dict.fromkeys(names, odd).get)
        assert host_rust.channel_of(odd)


def test_a_users_configuration_of_uv_and_pip_never_ends_a_run(tmp_path: Path) -> None:
    chance = random.Random(10)
    file = tmp_path / "settings"
    for _ in range(200):
        file.write_bytes(_odd_toml('[global]\nindex-url = "https://x"\n[pip]\nx = 1\n', chance))
        package_index.uv_arguments(
            package_index.Index(), environment={}, uv_files=[file], pip_files=[file]
        )


# --- metadata -------------------------------------------------------------------------------------


def test_metadata_is_read_whatever_it_holds() -> None:
    chance = random.Random(10)
    good = "Metadata-Version: 2.1\nName: demo\nRequires-Python: >=3.9\nRequires-Dist: a; extra == 'b'\n"
    for _ in range(400):
        odd = _flipped(good.encode(), chance).decode("utf-8", "replace")
        requires_python(odd)


# --- archives -------------------------------------------------------------------------------------


def _tar_of(*members: tuple[str, bytes], **headers: str) -> bytes:
    """A tar archive; ``headers`` are pax headers of each member, not those that its content would give."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), headers
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def _zip_of(compression: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as file:
        for number in range(3):
            file.writestr(f"p/f{number}", random.Random(number).randbytes(200) + b"a" * 800)
    return data.getvalue()


def _damaged_headers(plain: bytes, chance: random.Random) -> bytes:
    """A tar whose headers hold odd bytes under right checksums."""
    changed = bytearray(plain)
    headers = [n for n in range(0, len(plain), 512) if plain[n + 257 : n + 262] == b"ustar"]
    for _ in range(chance.choice([1, 2, 5])):
        start = chance.choice(headers)
        changed[start + chance.randrange(512)] = chance.randrange(256)
        total = sum(changed[start : start + 148]) + 256 + sum(changed[start + 156 : start + 512])
        changed[start + 148 : start + 156] = b"%06o\0 " % total
    return gzip.compress(bytes(changed), 1)


@pytest.fixture(name="unpack")
def _unpack(tmp_path: Path) -> Iterator[Callable[[str], Callable[[bytes], None]]]:
    """Unpacks content as a file of a name, each into a directory of its own, and looks what else is there."""
    count = 0

    def named(name: str) -> Callable[[bytes], None]:
        def unpack(content: bytes) -> None:
            nonlocal count
            count += 1
            archive, place = tmp_path / name, tmp_path / "places" / str(count)
            place.mkdir(parents=True)
            archive.write_bytes(content)
            archives.unpack(archive, place)
            if name.endswith(".tar.gz"):
                canonical_archives.rewrite_tar_gz(archive, mtime=0)

        return unpack

    yield named
    assert {path.suffix for path in tmp_path.iterdir()} <= {"", ".gz", ".bz2", ".xz", ".zip"}


MEMBERS = [("p/a", random.Random(1).randbytes(700)), ("p/b", b"b" * 700), ("p/c/d", b"")]


@pytest.mark.parametrize(
    ("kind", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_damaged_tar_is_unpacked_or_refused(
    unpack: Callable[[str], Callable[[bytes], None]], kind: str, compress: Callable[[bytes], bytes]
) -> None:
    whole = compress(_tar_of(*MEMBERS))
    unpack(f"p.tar.{kind}")(whole)
    _fuzz(
        150, lambda chance: chance.choice([whole, _flipped(whole, chance)]), unpack(f"p.tar.{kind}")
    )


def test_a_tar_of_odd_headers_is_unpacked_or_refused(
    unpack: Callable[[str], Callable[[bytes], None]],
) -> None:
    plain = _tar_of(*MEMBERS)
    _fuzz(300, lambda chance: _damaged_headers(plain, chance), unpack("p.tar.gz"))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_unpacked_or_refused(
    unpack: Callable[[str], Callable[[bytes], None]], method: int
) -> None:
    whole = _zip_of(method)
    _fuzz(150, lambda chance: chance.choice([whole, _flipped(whole, chance)]), unpack("p.zip"))


@pytest.mark.parametrize(
    "header",
    [
        *({"mtime": word} for word in ("nan", "inf", "-inf", "1e300", "x", "-1e300")),
        *({"size": word} for word in ("-5", "99999999999999999999", "x", "9" * 5000)),
        *({"uid": "9" * 5000}, {"linkpath": "a\0b"}, {"path": "p/a\0b"}, {"path": "\ud800"}),
        *({"GNU.sparse.map": "1"}, {"GNU.sparse.size": "x"}, {"GNU.sparse.realsize": "9" * 30}),
        *(
            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
            {"hdrcharset": "x"},
            {"charset": "x"},
        ),
    ],
    ids=lambda header: str(header)[:40],
)
def test_odd_extended_headers_are_refused_or_without_effect(
    unpack: Callable[[str], Callable[[bytes], None]], header: dict[str, str]
) -> None:
    with contextlib.suppress(MpforgeError, UnicodeEncodeError):
        unpack("p.tar.gz")(gzip.compress(_tar_of(*MEMBERS, **header)))


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x41])
def test_an_encrypted_zip_is_told_with_the_entry(
    unpack: Callable[[str], Callable[[bytes], None]], flag: int
) -> None:
    with pytest.raises(MpforgeError, match=r"p\.zip can't be unpacked\n  p/f0 is encrypted"):
        unpack("p.zip")(_with_word(_zip_of(zipfile.ZIP_DEFLATED), 6, flag))


@pytest.mark.parametrize("method", [1, 6, 9, 93, 95, 97, 98, 99, 65535])
def test_a_zip_of_an_unknown_method_is_told_with_the_entry(
    unpack: Callable[[str], Callable[[bytes], None]], method: int
) -> None:
    with pytest.raises(MpforgeError, match=rf"p/f0 is compressed with a method .* \({method}\)"):
        unpack("p.zip")(_with_word(_zip_of(zipfile.ZIP_DEFLATED), 8, method))


def _with_word(content: bytes, offset: int, word: int) -> bytes:
    """A zip with a word changed in each local header, and in each of the directory, 2 bytes later."""
    changed = bytearray(content)
    for signature, place in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        start = changed.find(signature)
        while start >= 0:
            struct.pack_into("<H", changed, start + place, word)
            start = changed.find(signature, start + 1)
    return bytes(changed)


def test_a_bomb_is_refused_before_it_is_unpacked(
    unpack: Callable[[str], Callable[[bytes], None]],
) -> None:
    """A header that announces 2 TiB of content."""
    member = tarfile.TarInfo("p/zeros")
    member.size = 2**41
    header = member.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(ArchiveRefused, match="would unpack to more than"):
        unpack("p.tar.gz")(gzip.compress(header + bytes(100_000)))


# --- what one of the inputs above showed ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a = 1\nb = \xff\n", "2:5"),
        (b"a = 1\n\xef\xbb\xbfb = 1\n", "2:1"),
        (b"a = 1\nb = " + b"9" * 5000, "2:5"),
        (b"a = 1\nb = 9223372036854775808", "2:1"),
        (b"a = 1\nb = -0xFF\n", "2:7"),
        (b'a = 1\n[b]\nc = [1, "x\\u0000"]', "3:9"),
        (b'a = 1\nb."\\u0000" = 1', "2:3"),
        (b"a = 1\n\n" + b"b." * 200 + b"b = 1", "3:201"),
        (b"a = 1\nb = [", "2:5"),
        (b"x = " + b"[" * 5000, "1:1"),
        (b"a = 1\nx = " + b"[" * 150 + b"]" * 150, "2:105"),
        (b"[" + b".".join([b"a"] * 90) + b"]\n" + b".".join([b"b"] * 90) + b" = 1", "2:21"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(content: bytes, place: str) -> None:
    with pytest.raises(MpforgeError, match=rf"f\.toml:{place}: toml-invalid"):
        read_toml(content, "f.toml")


def test_the_greatest_whole_numbers_and_a_hundred_levels_are_fine() -> None:
    read_toml(f"a = [{2**63 - 1}, {-(2**63)}]\n" + ".".join(["b"] * 99) + " = 1", "f.toml")
