"""Resolving and installing by the real uv: from the package index, and from indexes made here."""

import base64
import csv
import hashlib
import http.server
import io
import shutil
import socket
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from mpforge.errors import (
    ExitCode,
    HashMismatch,
    IndexUnreachable,
    NotAvailableYet,
    PinGone,
    Unresolvable,
    WheelRejected,
)
from mpforge.obtain.packages import sdists
from mpforge.obtain.packages.installation import (
    install_prefix,
    install_target,
    install_venv,
    install_wheel,
)
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.resolve import resolve
from mpforge.obtain.pythons.virtual_environments import (
    compile_tree,
    damaged,
    export_tree,
    make_skeleton,
    site_packages,
)
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Package
from mpforge.plan.requirements import OwnPackage
from mpforge.processes import capture

HERE = f"cp3{sys.version_info.minor}"
PYTHON = Path(sys.executable)


def wanted(*requirements: str, python: str = HERE, platform: str = "x86_64") -> EnvironmentRequest:
    return EnvironmentRequest("test", python, platform, requirements)


def make_wheel(
    folder: Path, name: str, version: str, tag: str = "py3-none-any", requires: tuple[str, ...] = ()
) -> Path:
    """A wheel with one module and X."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\ndef main():\n    print('I am', VERSION)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {text}\n" for text in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        f"{name}-{version}.data/data/share/{name}.cfg": "[settings]\n",
    }
    rows = [f"{path},{digest_of(text.encode())},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
    return path


def make_sdist(folder: Path, name: str, version: str, more: str = "") -> Path:
    """An sdist whose metadata is static (PEP 643), so that nobody needs to build it to know it."""
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n{more}"
    files = {"PKG-INFO": metadata, "pyproject.toml": '[build-system]\nrequires = ["tool>=1"]\n'}
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def digest_of(content: bytes) -> str:
    value = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return "sha256=" + value.decode()


def publish(root: Path, *wheels: Path) -> None:
    """Write the simple index (PEP 503) of the wheels in ``root/files``."""
    for wheel in wheels:
        page = root / "simple" / wheel.name.split("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        link = f'<a href="../../files/{wheel.name}#sha256={digest}">{wheel.name}</a>\n'
        page.write_text(link, encoding="utf-8")


def records_hold(site: Path) -> bool:
    """Every file of every RECORD is there with its digest, read independently of mpforge."""
    checked = 0
    for record in site.glob("*.dist-info/RECORD"):
        for path, digest, _ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            if digest:
                assert digest_of((site / path).read_bytes()) == digest, path
                checked += 1
    return checked > 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        self.asked.append(self.path)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Index]]:
    """A directory, and the loopback index that serves what is in it; uv has a cache of its own."""
    root = tmp_path / "served"
    root.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield root, Index(url=f"http://127.0.0.1:{server.server_port}/simple")
        server.shutdown()
        thread.join()


# --- the package index --------------------------------------------------------------------------


@pytest.mark.network
def test_a_build_environment_is_pinned_installed_taken_apart_and_laid_out_again(
    tmp_path: Path,
) -> None:
    pin = resolve(EnvironmentRequest("build", HERE, "x86_64", ("cython", "setuptools")), Index())
    assert [package.name for package in pin.packages] == ["cython", "setuptools"]
    assert all(len(package.hashes) == 1 for package in pin.packages)
    assert sum(package.size or 0 for package in pin.packages) > 1_000_000

    install_venv(pin, python=PYTHON, dest=tmp_path / "venv", index=Index())
    assert records_hold(site_packages(tmp_path / "venv"))

    export_tree(tmp_path / "venv", tmp_path / "tree")
    for file in (tmp_path / "tree").rglob("*"):
        assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes(), file
    make_skeleton(PYTHON, tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "tree", tmp_path / "elsewhere", symlinks=True, dirs_exist_ok=True)
    answer = capture([str(tmp_path / "elsewhere" / "bin" / "cython"), "--version"])
    assert answer.returncode == 0, answer.stderr
    code = "import sys, setuptools; print(sys.prefix); print(setuptools.__file__)"
    python = str(tmp_path / "elsewhere" / "bin" / "python")
    for line in capture([python, "-c", code]).stdout.splitlines():
        assert line.startswith(str(tmp_path / "elsewhere"))


@pytest.mark.network
def test_requirements_for_another_machine_are_installed_from_here(tmp_path: Path) -> None:
    pin = resolve(wanted("markupsafe", "pytest", python="cp313", platform="aarch64"), Index())
    install_prefix(pin, dest=tmp_path / "env", index=Index())
    (site,) = (tmp_path / "env" / "lib").iterdir()
    assert site.name == "python3.13", "not what this interpreter's is called"
    assert records_hold(site / "site-packages")
    extensions = [path.name for path in (site / "site-packages" / "markupsafe").glob("*.so")]
    assert extensions == ["_speedups.cpython-313-aarch64-linux-gnu.so"]
    assert (tmp_path / "env" / "bin" / "pytest").read_text().startswith("#!/bin/sh\n'''exec' \"$(")


@pytest.mark.network
def test_versions_stay_where_they_are_unless_they_must_move() -> None:
    earlier = Package("pluggy", "1.5.0", ("sha256:" + "0" * 64,))
    pin = resolve(wanted("pluggy>=1"), Index(), prefer=[earlier])
    assert pin.packages[0].version == "1.5.0"
    assert resolve(wanted("pluggy>1.5"), Index(), prefer=[earlier]).packages[0].version > "1.5.0"


@pytest.mark.network
@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("setuptools>=9999", "setuptools>=9999"),
        ("pywin32", "allow a version of pywin32 that has a wheel for aarch64"),
    ],
)
def test_a_requirement_that_nothing_satisfies_is_explained(requirement: str, words: str) -> None:
    with pytest.raises(Unresolvable) as caught:
        resolve(wanted(requirement, platform="aarch64"), Index())
    assert words in str(caught.value)
    assert "Because" in str(caught.value)
    assert caught.value.exit_code == ExitCode.WRONG_INPUT


@pytest.mark.network
@pytest.mark.parametrize("constraint", ["setuptools==1", "setuptools>=9999"])
def test_constraints_that_leave_nothing_are_named(constraint: str) -> None:
    request = EnvironmentRequest("build", HERE, "x86_64", ("setuptools>=77",), (constraint,))
    with pytest.raises(Unresolvable) as caught:
        resolve(request, Index())
    assert (caught.value.hint or "").endswith(f"or relax [build] constraints: {constraint}")


# --- indexes made here ---------------------------------------------------------------------------


def test_a_pin_holds_the_hash_and_size_of_the_file_and_no_address(
    served: tuple[Path, Index],
) -> None:
    root, index = served
    wheel = make_wheel(root / "files", "demo", "1.0")
    publish(root, wheel)
    digest = "sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest()
    pin = resolve(wanted("demo"), index)
    assert pin.packages == (Package("demo", "1.0", (digest,), wheel.stat().st_size),)


def test_a_script_of_a_laid_out_environment_runs_its_own_python(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "demo", "1.0"))
    install_venv(resolve(wanted("demo"), index), python=PYTHON, dest=tmp_path / "a", index=index)
    export_tree(tmp_path / "a", tmp_path / "tree")
    make_skeleton(PYTHON, tmp_path / "b")
    shutil.copytree(tmp_path / "tree", tmp_path / "b", symlinks=True, dirs_exist_ok=True)
    assert capture([str(tmp_path / "b" / "bin" / "demo")]).stdout == "I am 1.0\n"


def test_two_installations_of_a_pin_are_the_same_bytes(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "demo", "1.0"))
    pin = resolve(wanted("demo"), index)
    trees = []
    for name in ("one", "another"):
        install_prefix(pin, dest=tmp_path / name, index=index, host_python=PYTHON)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append({p.relative_to(tmp_path / name): p.read_bytes() for p in files})
    assert trees[0] == trees[1]
    assert any(path.suffix == ".pyc" for path in trees[0])
    assert Path("share/demo.cfg") in trees[0]


@pytest.mark.parametrize(("purpose", "compiled"), [("image", True), ("target", False)])
def test_what_a_python_imports_is_compiled_and_what_compilers_read_is_not(
    served: tuple[Path, Index], tmp_path: Path, purpose: Literal["image", "target"], compiled: bool
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "demo", "1.0"))
    pin = resolve(replace(wanted("demo"), purpose=purpose), index)
    install_target(pin, dest=tmp_path / "site", index=index, host_python=PYTHON)
    assert bool([*(tmp_path / "site").rglob("*.pyc")]) == compiled


def test_an_index_in_a_directory_leaves_no_trace_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    publish(tmp_path, make_wheel(tmp_path / "files", "demo", "1.0"))
    index = Index(url=(tmp_path / "simple").as_uri())
    pin = resolve(wanted("demo"), index)
    assert pin.packages[0].size
    install_target(pin, dest=tmp_path / "site", index=index)
    assert records_hold(tmp_path / "site")
    assert not list((tmp_path / "site").rglob("uv_cache.json"))
    for file in (tmp_path / "site").rglob("*"):
        assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("version", "asked_of_it", "extras"),
    [
        ("6.0", "own.project[quick]>=5", True),
        (None, "own.project[quick]>=5", True),  # of git's tags: known by a build only
        ("1.0.dev1", "own.project[quick]>=5", True),  # a higher one stands for it
        ("6.0", "own.project[quick]<5", False),
    ],
)
def test_the_project_under_test_serves_those_that_require_it_and_no_index_is_asked_for_it(
    served: tuple[Path, Index], version: str | None, asked_of_it: str, extras: bool
) -> None:
    """An index may have a stranger's package of the name; test plugins require what they plug into."""
    root, index = served
    stranger = make_wheel(root / "files", "own_project", "99.0")
    publish(root, stranger, make_wheel(root / "files", "fast", "1.0"))
    publish(root, make_wheel(root / "files", "plugin", "1.0", requires=(asked_of_it,)))
    _Quiet.asked.clear()
    own = OwnPackage("Own_Project", ('fast; extra == "quick"',), ("quick",), version)
    pin = resolve(wanted("plugin"), index, own=own)
    assert [package.name for package in pin.packages] == ["fast", "plugin"][not extras :]
    assert not [path for path in _Quiet.asked if "own" in path]


def test_a_package_without_wheels_is_pinned_by_its_sdist_and_those_that_have_some_are_not(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "modern", "1.0", requires=("old",)))
    publish(root, make_sdist(root / "files", "old", "2.0"))
    pin = resolve(wanted("modern"), index)
    modern, old = pin.packages
    assert (modern.sdist, old.sdist, old.build_requires) == (False, True, ("tool>=1",))
    fetched = sdists.obtain(old, tmp_path, index, python=HERE)
    assert f"sha256:{hashlib.sha256(fetched.read_bytes()).hexdigest()}" in old.hashes
    make_sdist(root / "files", "old", "2.0", more="changed")
    publish(root, root / "files" / "old-2.0.tar.gz")
    with pytest.raises(HashMismatch):
        sdists.obtain(old, tmp_path, index, python=HERE)


def test_a_file_that_the_user_s_hashes_do_not_allow_is_refused(served: tuple[Path, Index]) -> None:
    root, index = served
    wheel = make_wheel(root / "files", "demo", "1.0")
    publish(root, wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert resolve(wanted(f"demo==1.0 --hash=sha256:{digest}"), index).packages
    with pytest.raises(Unresolvable, match=r"no file of demo 1\.0 has a hash"):
        resolve(wanted(f"demo==1.0 --hash=sha256:{'0' * 64}"), index)


def test_a_pinned_version_that_the_index_no_longer_lists_is_said(
    served: tuple[Path, Index], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "demo", "1.0"))
    pin = resolve(wanted("demo"), index)
    publish(root, make_wheel(root / "files", "demo", "2.0"))
    # On another machine: here uv would trust the page that it read a moment ago.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-cache"))
    with pytest.raises(PinGone) as caught:
        install_target(pin, dest=tmp_path / "site", index=index)
    assert "demo 1.0" in str(caught.value)
    assert caught.value.hint == "mpforge lock --update demo"
    assert caught.value.exit_code == ExitCode.HOST_CANNOT


def test_a_pinned_file_that_the_index_lists_but_no_longer_has_is_said(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    wheel = make_wheel(root / "files", "demo", "1.0")
    publish(root, wheel)
    pin = resolve(wanted("demo"), index)
    wheel.unlink()
    with pytest.raises(PinGone, match=r"demo 1\.0"):
        install_target(pin, dest=tmp_path / "site", index=index)


def test_a_file_that_is_not_what_the_lock_pins_is_refused(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    wheel = make_wheel(root / "files", "demo", "1.0")
    publish(root, wheel)
    pin = resolve(wanted("demo"), index)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", "import os\n")
    publish(root, wheel)
    with pytest.raises(HashMismatch) as caught:
        install_target(pin, dest=tmp_path / "site", index=index)
    assert "demo 1.0: the index sent a different file" in str(caught.value)
    assert not (tmp_path / "site" / "more.py").exists()


def test_a_copy_in_uvs_cache_that_somebody_edited_is_not_used(
    served: tuple[Path, Index], tmp_path: Path
) -> None:
    root, index = served
    publish(root, make_wheel(root / "files", "demo", "1.0"))
    pin = resolve(wanted("demo"), index)
    install_target(pin, dest=tmp_path / "first", index=index)
    edited = [path for path in (tmp_path / "uv-cache").rglob("demo.py") if path.is_file()]
    assert edited
    for path in edited:
        path.write_text("evil = 1\n", encoding="utf-8")
    install_target(pin, dest=tmp_path / "second", index=index)
    assert damaged(tmp_path / "second") == ()
    assert "evil" not in (tmp_path / "second" / "demo.py").read_text(encoding="utf-8")


def test_an_index_that_is_down_is_said_without_its_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WORD", "s3cret")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        with pytest.raises(IndexUnreachable) as caught:
            resolve(
                wanted("demo"),
                Index(url=url.replace("//", "//me:s3cret@"), password_env="WORD"),
            )
    assert f"the package index {url} did not answer" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.HOST_CANNOT


@pytest.mark.parametrize(
    ("tag", "platform"),
    [
        ("manylinux_2_17_aarch64", "aarch64"),
        ("manylinux_2_31_armv7l", "armv7l"),
        ("manylinux_2_36_loongarch64", "loongarch64"),
        ("musllinux_1_2_i686", "i686_musl"),
    ],
)
def test_a_built_wheel_is_installed_as_it_is_and_only_where_it_fits(
    tmp_path: Path, tag: str, platform: str
) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", f"cp313-cp313-{tag}")
    install_wheel(wheel, tmp_path / "env", python="cp313", platform=platform)
    assert records_hold(tmp_path / "env/lib/python3.13/site-packages")
    assert (tmp_path / "env/share/demo.cfg").is_file()
    assert {path.name for path in (tmp_path / "env/lib").iterdir()} == {"python3.13"}
    assert not list((tmp_path / "env").rglob("direct_url.json"))
    with pytest.raises(WheelRejected, match="x86_64"):
        install_wheel(wheel, tmp_path / "other", python="cp313", platform="x86_64")


@pytest.mark.parametrize(
    ("platform", "tag"), [("s390x", "manylinux_2_28_s390x"), ("i686", "manylinux2014_i686")]
)
def test_markers_and_wheels_are_those_of_a_machine_that_uv_has_no_word_for(
    served: tuple[Path, Index], tmp_path: Path, platform: str, tag: str
) -> None:
    root, index = served
    known = make_wheel(root / "files", "only", "1", f"cp311-cp311-{tag}")
    requires = (f"only; platform_machine == '{platform}'", "never; platform_machine == 'x86_64'")
    publish(root, known, make_wheel(root / "files", "demo", "1", requires=requires))
    pin = resolve(wanted("demo", python="cp311", platform=platform), index)
    assert [package.name for package in pin.packages] == ["demo", "only"]
    install_prefix(pin, dest=tmp_path / "env", index=index)
    assert records_hold(tmp_path / "env/lib/python3.11/site-packages")
    assert {path.name for path in (tmp_path / "env/bin").iterdir()} == {"demo", "only"}
    assert (tmp_path / "env/share/only.cfg").is_file()
    with pytest.raises(Unresolvable, match="only"):
        resolve(wanted("only", python="cp311", platform="aarch64"), index)


def test_a_module_that_is_no_python_does_not_stop_the_others_from_being_compiled(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("{% template %}\n", encoding="utf-8")
    compile_tree(PYTHON, tmp_path)
    assert [path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")] == ["a"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (wanted("demo @ https://x/demo-1-py3-none-any.whl"), NotAvailableYet),
        (wanted("--index-url=https://evil"), Unresolvable),
    ],
)
def test_what_cannot_be_pinned_is_refused_before_any_request(
    request_: EnvironmentRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        resolve(request_, Index(url="http://127.0.0.1:9/simple"))


def test_no_requirements_need_no_index(tmp_path: Path) -> None:
    down = Index(url="http://127.0.0.1:9/simple")
    pin = resolve(wanted(), down)
    assert pin == EnvironmentPin(wanted(), ())
    install_venv(pin, python=PYTHON, dest=tmp_path / "venv", index=down)
    assert (tmp_path / "venv" / "bin" / "python").exists()
