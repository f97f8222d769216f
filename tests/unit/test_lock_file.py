"""multiplatform.lock: what is written is read back, merges lose nothing, and bad files are placed."""

import dataclasses
from pathlib import Path

import pytest

from mpforge.errors import ExitCode, LockInvalid
from mpforge.lock.lock_file import difference, forget, merge, merged, only_needed, read, update
from mpforge.lock.lock_format import parse, render
from mpforge.plan.pins import (
    Crate,
    CratesPin,
    CratesRequest,
    DistroPackage,
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    ImageRequest,
    Lock,
    Package,
    StrategyPin,
)

HASH = "sha256:" + "0" * 64
OTHER = "sha256:" + "1" * 64


def package(name: str, version: str, digest: str = HASH, size: int | None = 10) -> Package:
    return Package(name, version, (digest,), size)


def build(*packages: Package, python: str = "cp311", wants: tuple[str, ...] = ()) -> EnvironmentPin:
    names = wants or tuple(sorted(p.name for p in packages))
    return EnvironmentPin(EnvironmentRequest("build", python, "x86_64", names), packages)


def tool(name: str, version: str) -> EnvironmentPin:
    request = EnvironmentRequest("tool", "cp311", "x86_64", (name,))
    return EnvironmentPin(request, (package(name, version),))


DEBS = DistroPin(
    DistroRequest("debian", "bookworm", "arm64", ("zlib1g", "libc6")),
    (DistroPackage("zlib1g", "1:1.2", "a" * 64, 5), DistroPackage("libc6", "2.36", "b" * 64, 6)),
)
RUST = DistroPin(
    DistroRequest("debian", "bookworm-security", "amd64", ("rustc-web",), libraries=True),
    (DistroPackage("rustc-web", "1.96", "c" * 64, 7), DistroPackage("libz3-4", "4.8", "d" * 64, 8)),
)
CROSS = StrategyPin("aarch64", "x86_64", "cross", "zig")
BUILT = (
    Package("docopt", "0.6", (HASH,), 9, sdist=True, build_requires=("setuptools", "wheel>=1")),
    Package("plugin", "0", (), path="./plug in"),
    Package("vendored", "1", (OTHER,), path="w/vendored-1-py3-none-any.whl"),
)
CRATES = CratesPin(
    CratesRequest("rust/Cargo.toml", "e" * 64),
    4,
    (Crate("own", "1.0", dependencies=("libc",)), Crate("libc", "0.2", "registry+x", "f" * 64)),
)
FULL = Lock(
    (build(package("cython", "3.1"), package("setuptools", "84", size=None)), build(*BUILT)),
    (DEBS, RUST),
    (CROSS,),
    crates=(CRATES,),
)


def test_a_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    written = merge(path, FULL)
    assert written == read(path) == FULL


def test_a_crate_that_is_to_move_is_forgotten_with_those_of_its_lock() -> None:
    assert forget(FULL, "libc").crates == ()
    assert forget(FULL, "cython").crates == (CRATES,)
    moved = dataclasses.replace(CRATES.packages[1], version="0.3")
    after = Lock(crates=(dataclasses.replace(CRATES, packages=(CRATES.packages[0], moved)),))
    assert difference(Lock(crates=(CRATES,)), after) == (
        "libc 0.2 -> 0.3 (crate of rust/Cargo.toml)",
    )


def test_text_that_toml_must_escape_survives() -> None:
    odd = build(package("a", '1"\\\n\x7fé'), wants=('a; python_version < "3.12"',))
    assert parse(render(Lock((odd,))).encode(), "x").environments == (odd,)


def test_while_a_lock_is_written_nothing_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a source file, and of a process that is killed then it would stay one."""
    seen: list[set[str]] = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append({p.name for p in tmp_path.iterdir()}))
    merge(tmp_path / "multiplatform.lock", Lock(strategies=(CROSS,)))
    assert seen == [{".mpforge"}]


def test_a_missing_lock_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path / "multiplatform.lock") == Lock()


def test_the_order_in_which_pins_were_found_changes_no_byte() -> None:
    one, two = build(package("a", "1")), build(package("b", "1"), package("a", "1"), python="cp313")
    assert render(Lock((one, two))) == render(Lock((two, one)))


def test_a_package_is_one_line_of_the_file() -> None:
    assert (
        f'    {{ name = "cython", version = "3.1", hashes = ["{HASH}"], size = 10 }},\n'
        in render(FULL)
    )


def test_merging_keeps_what_another_process_wrote_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    merge(path, Lock((build(package("a", "1")),)))
    merge(path, Lock((build(package("b", "1")),), strategies=(CROSS,)))
    assert [p.packages[0].name for p in read(path).environments] == ["a", "b"]


def test_merging_replaces_the_answer_to_the_same_request() -> None:
    old, new = Lock((build(package("a", "1")),)), Lock((build(package("a", "2")),))
    assert merged(old, new) == new


def test_a_request_that_another_process_answered_meanwhile_keeps_that_answer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "multiplatform.lock"
    first, second = build(package("a", "1")), build(package("a", "2"))
    merge(path, Lock((first,)))
    assert merge(path, Lock((second,))).environments == (first,)
    assert read(path).environments == (first,)


def test_merging_what_is_there_already_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    merge(path, Lock(strategies=(CROSS,)))
    before = path.stat().st_ino
    merge(path, Lock(strategies=(CROSS,)))
    assert path.stat().st_ino == before


def test_writing_leaves_nothing_beside_the_lock(tmp_path: Path) -> None:
    merge(tmp_path / "multiplatform.lock", Lock(strategies=(CROSS,)))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mpforge", "multiplatform.lock"]


def test_a_change_that_fails_leaves_the_lock_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    merge(path, Lock(strategies=(CROSS,)))

    def broken(_: Lock) -> Lock:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update(path, broken)
    assert read(path).strategies == (CROSS,)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("schema = 1\n[[environments\n", 2, "not TOML"),
        ("schema = 1\n<<<<<<< HEAD\n", 2, "conflict markers"),
        ("# a lock\nschema = 2\n", 2, "by a newer mpforge (schema 2; this one knows 1)"),
        ("", 1, "is empty or truncated"),
        ("schema = 1\nenvironments = 3\n", 1, "must be tables"),
        ('schema = 1\n[[strategies]]\ntarget = "a"\n', 2, "host must be a string"),
        (render(FULL).replace(HASH, "md5:1", 1), 11, "not sha256:"),
        (render(FULL).replace('"build"', '"bild"'), 11, "purpose is 'bild'"),
        (render(FULL).replace("size = 5", 'size = "5"'), 34, "size must be"),
        (
            render(FULL).replace('{ name = "libc6"', '{ name = "libc7"'),
            34,
            "names lists libc6, which packages lacks",
        ),
    ],
)
def test_a_lock_that_cannot_be_used_is_named_with_its_line(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "multiplatform.lock"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LockInvalid) as caught:
        read(path)
    assert words in str(caught.value)
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.line) == ("multiplatform.lock", line)
    assert caught.value.exit_code == ExitCode.WRONG_INPUT


def test_fields_and_tables_of_a_newer_lock_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    text = render(FULL).replace("purpose = ", 'licence = "MIT"\npurpose = ')
    path.write_text(f"{text}\n[[attestations]]\nof = 1\n", encoding="utf-8")
    assert read(path) == FULL


def test_a_file_that_is_not_text_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "multiplatform.lock"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LockInvalid, match="not UTF-8"):
        read(path)


def test_the_difference_says_what_moved_in_a_line_each() -> None:
    old = Lock(
        (tool("ziglang", "0.16.0"), build(package("wheel", "0.45"), wants=("x",))), (), (CROSS,)
    )
    new = Lock(
        (tool("ziglang", "0.17.1"), build(package("setuptools", "84.2.1"), wants=("x",))),
        (),
        (StrategyPin("aarch64", "x86_64", "emulate", "gcc"),),
    )
    assert difference(old, new) == (
        "aarch64 cross with zig -> emulate with gcc (strategy, host x86_64)",
        "+ setuptools 84.2.1 (build cp311 x86_64)",
        "- wheel 0.45 (build cp311 x86_64)",
        "ziglang 0.16.0 -> 0.17.1 (tool, x86_64)",
    )


def test_the_difference_tells_of_other_files_of_the_same_version() -> None:
    old, new = Lock((build(package("a", "1")),)), Lock((build(package("a", "1", OTHER)),))
    assert difference(old, new) == ("a 1: different files (build cp311 x86_64)",)


def test_equal_locks_do_not_differ() -> None:
    assert difference(FULL, FULL) == ()


def test_a_package_is_forgotten_however_its_name_is_written() -> None:
    lock = Lock((build(package("foo-bar", "1")), build(package("other", "1"))))
    assert forget(lock, "Foo.Bar") == Lock((build(package("other", "1")),))


def test_forgetting_a_package_drops_only_the_pins_that_hold_it() -> None:
    one, two = build(package("ruamel-yaml", "1")), build(package("b", "1"))
    assert forget(Lock((one, two), (DEBS,), (CROSS,)), "Ruamel.Yaml") == Lock(
        (two,), (DEBS,), (CROSS,)
    )
    assert forget(FULL, "libc6").distribution == (RUST,)
    assert forget(FULL, "aarch64").strategies == ()


def image(digest: str, platform: str = "aarch64", *, local: bool = False) -> ImagePin:
    return ImagePin(ImageRequest("quay.io/pypa/x:1", platform), digest, local)


def test_an_images_digest_stands_beside_its_name_for_each_platform() -> None:
    lock = Lock(images=(image(HASH), image(OTHER, "x86_64", local=True)))
    text = render(lock)
    assert parse(text.encode(), "x") == lock
    assert (
        f'[[images]]\nname = "quay.io/pypa/x:1"\nplatform = "aarch64"\ndigest = "{HASH}"\n' in text
    )
    assert text.count("local = true") == 1


def test_a_moved_image_is_told_by_its_name_and_both_digests() -> None:
    old, new = Lock(images=(image(HASH),)), Lock(images=(image(OTHER),))
    line = f"quay.io/pypa/x:1 {HASH[:19]} -> {OTHER[:19]} (image, aarch64)"
    assert difference(old, new) == (line,)


def test_an_images_name_forgets_its_digests_only() -> None:
    lock = Lock((build(package("x", "1")),), images=(image(HASH), image(OTHER, "x86_64")))
    assert forget(lock, "quay.io/pypa/x:1") == Lock(lock.environments)


def test_what_no_target_needs_is_dropped_and_what_a_hook_asked_for_stays() -> None:
    def test_of(python: str, platform: str) -> EnvironmentPin:
        return EnvironmentPin(EnvironmentRequest("test", python, platform, ("pytest",)), ())

    def debian(architecture: str, name: str) -> DistroPin:
        return DistroPin(DistroRequest("debian", "bookworm", architecture, (name,)), ())

    hook = build(package("numpy", "2"), wants=("numpy", "setuptools"))
    of_tool = build(package("hatchling", "1"), python="cp312")
    kept = Lock(
        (hook, of_tool, tool("cmake", "4"), test_of("cp311", "aarch64-manylinux_2_34")),
        (DEBS, RUST, debian("arm64", "python3.11-minimal")),
        (CROSS,),
        (ImagePin(ImageRequest("cross", "x86_64"), HASH),),
    )
    gone = Lock(
        (build(package("numpy", "1"), python="cp313"), test_of("cp311", "s390x")),
        (debian("s390x", "libc6"), debian("arm64", "libpython3.13-stdlib")),
        (StrategyPin("s390x", "x86_64", "cross", "zig"),),
        (ImagePin(ImageRequest("manylinux", "s390x"), HASH),),
    )
    found = only_needed(merged(kept, gone), (of_tool.request,), ("cp311",), {"aarch64": "aarch64"})
    assert found == merged(kept, Lock())
