"""Readiness: what an index's files mean for a target, and what an sdist's files say of its build."""

import json
from pathlib import Path

import pytest

from mpforge.cli.main import main
from mpforge.cli.readiness import _selected
from mpforge.errors import Unresolvable, WrongInput
from mpforge.obtain.packages.index_pages import Offer
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.wheel_choice import tag_ranks
from mpforge.plan.pins import EnvironmentRequest
from mpforge.processes import Captured
from mpforge.readiness import resolution, survey
from mpforge.readiness.offered import Answer, judge
from mpforge.readiness.resolution import Resolved, parse
from mpforge.readiness.sdist_look import Look, look_at
from mpforge.reports.readiness_page import readiness_page
from tests.memory_store import MemoryStore

RISCV = EnvironmentRequest("test", "cp313", "riscv64", ())


def _offers(*names: str, yanked: str = "") -> list[Offer]:
    return [Offer(name, f"https://files.example/{name}", yanked=name == yanked) for name in names]


def _judge(version: str, *names: str, yanked: str = "") -> Answer:
    return judge(_offers(*names, yanked=yanked), version, tag_ranks(RISCV))


def _wheel(version: str, machine: str = "riscv64", policy: str = "manylinux_2_31") -> str:
    return f"x-{version}-cp313-cp313-{policy}_{machine}.whl"


def test_wheels_are_there_since_the_first_of_an_unbroken_run() -> None:
    names = [_wheel("1.0"), "x-1.1.tar.gz", _wheel("1.2"), _wheel("1.3"), "x-1.3.tar.gz"]
    found = _judge("1.3", *names)
    assert (found.state, found.since, found.blocks) == ("wheel", "1.2", False)
    assert _judge("1.3", *names, yanked="x-1.1.tar.gz").since == "1.0"
    assert _judge("1.2", *names, _wheel("1.1rc1", "x86_64")).since == "1.2"


@pytest.mark.parametrize(
    "name",
    [
        _wheel("1.3", "x86_64"),
        _wheel("1.3", policy="musllinux_1_2"),
        "x-1.3-cp312-cp312-manylinux_2_31_riscv64.whl",
        "x-1.3-cp313-cp313t-manylinux_2_31_riscv64.whl",
        "x-1.3-py3-none-win_amd64.whl",
        "x-1.3.egg",
        "x-bad.whl",
    ],
)
def test_a_wheel_that_does_not_fit_leaves_the_sdist_to_be_compiled(name: str) -> None:
    found = _judge("1.3", _wheel("1.1"), "x-1.2.tar.gz", "x-1.3.tar.gz", name)
    assert (found.state, found.last, found.blocks) == ("sdist", "1.1", True)
    assert found.sdist is not None
    assert found.past == " since 1.1, the last version with one"
    found = _judge("1.3", name)
    assert (found.state, found.blocks, found.past) == ("nothing", True, " of any version")


def test_a_wheel_for_a_newer_policy_is_named() -> None:
    newest = _wheel("1.3", policy="manylinux_2_40")
    found = _judge("1.3", _wheel("1.2"), newest, _wheel("1.3", policy="manylinux_2_39"))
    assert (found.blocks, found.past) == (True, " except for manylinux_2_39")
    assert _judge("1.3", _wheel("1.3", "s390x"), _wheel("1.2", policy="manylinux_2_39")).newer == ""


def test_pure_and_abi3_wheels_fit() -> None:
    assert _judge("1.3", "x-1.3-py3-none-any.whl").state == "pure"
    assert _judge("1.3", "x-1.3-cp39-abi3-manylinux_2_31_riscv64.whl").state == "wheel"


def test_uv_s_answer_names_each_package_s_index() -> None:
    text = "a==1.0\n    # from https://pypi.org/simple\nb-c[x]==2 ; python_version > '3'\n"
    text += "    # from http://127.0.0.1:1/simple\nd @ file:///d\ne==3\n"
    assert parse(text) == [
        Resolved("a", "1.0", "https://pypi.org/simple"),
        Resolved("b-c", "2", "http://127.0.0.1:1/simple"),
        Resolved("e", "3", ""),
    ]


# --- source distributions -------------------------------------------------------------------------


def _look(tmp_path: Path, files: dict[str, str]) -> Look:
    root = tmp_path / "x-1.0"
    for name, text in {"PKG-INFO": "Name: x\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return look_at(root, MemoryStore(tmp_path / "store"))


def _backend(requires: str, backend: str) -> str:
    return f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend}"\n'


SETUPTOOLS = _backend("setuptools", "setuptools.build_meta")
EXTENSION = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('x', ['x.c'], "


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ({"pyproject.toml": _backend("flit-core", "flit_core.buildapi")}, "pure Python ("),
        ({"pyproject.toml": SETUPTOOLS, "setup.py": f"{EXTENSION})])"}, "seems buildable here"),
        (
            {"pyproject.toml": SETUPTOOLS, "setup.py": f"{EXTENSION}libraries=['kvm'])])"},
            "seems buildable here",
        ),
        (
            {
                "pyproject.toml": _backend("meson-python", "mesonpy"),
                "vendored/test cases/1/meson.build": "dependency('frob')",
            },
            "seems buildable here",
        ),
        (
            {"pyproject.toml": SETUPTOOLS, "setup.py": f"{EXTENSION}libraries=['z', 'm'])])"},
            "seems buildable with [build] libraries = [zlib]",
        ),
        (
            {"pyproject.toml": SETUPTOOLS, "setup.py": f"{EXTENSION}libraries=['frobnicate'])])"},
            "may need frobnicate, for which mpforge has no recipe",
        ),
        (
            {
                "pyproject.toml": _backend("scikit-build-core", "scikit_build_core.build"),
                "CMakeLists.txt": "find_package(vcvars)\nfind_package(ZLIB)\nfind_package(Frob)",
            },
            "may need frob, for which mpforge has no recipe, and [build] libraries = [zlib]",
        ),
        (
            {
                "pyproject.toml": SETUPTOOLS,
                "setup.py": f"{EXTENSION})])",
                "x.pxd": 'cdef extern from "libxml/tree.h":\n    pass\n',
                "x.c": '#include "zlib.h"\n# include <stdio.h>\n',
                "vendored/zlib.h": "",
            },
            "seems buildable with [build] libraries = [libxml2]",
        ),
        (
            {
                "pyproject.toml": _backend("meson-python", "mesonpy"),
                "src/meson.build": "dep = dependency('Frob')\nimport('python')\ndependency('threads')",
            },
            "compiled, meson-python: may need frob, for which",
        ),
        (
            {
                "pyproject.toml": _backend("maturin", "maturin"),
                "Cargo.lock": '[[package]]\nname = "openssl-sys"\n[[package]]\nname = "windows-sys"\n',
            },
            "compiled, maturin: seems buildable with [build] libraries = [openssl]",
        ),
        (
            {"pyproject.toml": _backend("oddly", "oddly.api")},
            "compiled, oddly.api: mpforge does not know this backend",
        ),
    ],
)
def test_an_sdist_s_files_say_what_its_build_would_need(
    tmp_path: Path, files: dict[str, str], verdict: str
) -> None:
    assert verdict in _look(tmp_path, files).verdict


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An index with three packages, without uv and a network; a file of requirements."""
    pages = {
        "pure": _offers("pure-2.0-py3-none-any.whl"),
        "ready": _offers("ready-1.0-cp313-cp313-manylinux_2_31_riscv64.whl", "ready-1.0.tar.gz"),
        "lacking": _offers("lacking-3.0.tar.gz", "lacking-3.0-cp313-cp313-win_amd64.whl"),
    }
    versions = {"pure": "2.0", "ready": "1.0", "lacking": "3.0"}
    packages = [Resolved(name, versions[name], "https://index.example/simple") for name in pages]
    monkeypatch.setattr(survey, "resolve", lambda _request, _index, _files: (tuple(packages), {}))
    monkeypatch.setattr(survey, "offers", lambda _index, name, _account: tuple(pages[name]))
    look = Look("setuptools", crosses=True, libraries=("frob",))
    monkeypatch.setattr(survey, "look", lambda _offer, _account, _store: look)
    monkeypatch.setenv("MPFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text("pure\nready\nlacking\n")
    return tmp_path


TO = ["-r", "r.txt", "--target", "riscv64", "--python", "cp313"]


@pytest.mark.usefixtures("index")
def test_the_command_names_what_stands_in_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readiness", *TO]) == 0
    assert capsys.readouterr().out == (
        "riscv64, cp313 (manylinux_2_31): 2 of 3 packages ready\n"
        "  lacking 3.0: no wheel of any version\n"
        "    compiled, setuptools: may need frob, for which mpforge has no recipe\n"
        "the first versions of compiled packages with wheels:\n"
        "  ready: riscv64 cp313: 1.0\n"
    )
    assert main(["readiness", *TO, "--target", "aarch64", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["environments"]
    assert (first["target"], first["blocked_by"]) == ("riscv64", ["lacking"])
    assert (second["target"], second["blocked_by"]) == ("aarch64", ["ready", "lacking"])
    states = {one["name"]: (one["state"], one["wheels_since"]) for one in first["packages"]}
    assert states == {
        "pure": ("pure", "2.0"),
        "ready": ("wheel", "1.0"),
        "lacking": ("sdist", None),
    }


def test_the_page_has_a_cell_for_each_package_and_target(index: Path) -> None:
    assert main(["readiness", *TO, "--html", "r.html"]) == 0
    text = (index / "r.html").read_text()
    for words in ("1.0: since 1.0", "3.0: no wheel of any version", "in the way: <b>lacking</b>"):
        assert words in text
    assert "<script" not in text
    assert "://" not in text
    odd = survey.Survey((survey.Column("x", "cp313", "p", trouble="<script>"),), {})
    assert "&lt;script&gt;" in readiness_page(odd)


def test_a_target_that_the_spec_does_not_have_needs_what_the_others_do() -> None:
    new = EnvironmentRequest("test", "cp312", "aarch64", ("a",))
    old = EnvironmentRequest("test", "cp38", "aarch64", ("b",))
    found = _selected([old, new], ["riscv64", "aarch64"], [])
    assert [(one.target, one.python, one.requirements) for one in found] == [
        ("riscv64", "cp38", ("b",)),
        ("riscv64", "cp312", ("a",)),
        ("aarch64", "cp38", ("b",)),
        ("aarch64", "cp312", ("a",)),
    ]
    assert _selected([old, new], [], ["cp313"])[0].python == "cp313"
    assert _selected([old, new], [], []) == [old, new]


def test_a_file_that_is_none_of_requirements_is_wrong_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = Captured(2, "", "error: Couldn't parse requirement in `r.txt` at position 0\n")
    monkeypatch.setattr(resolution, "uv", lambda _words, **_named: said)
    with pytest.raises(WrongInput, match="the requirements can't be read"):
        resolution.resolve(RISCV, Index())
    said = Captured(1, "", "error: No solution found when resolving dependencies:\n  no\n")
    with pytest.raises(Unresolvable):
        resolution.resolve(RISCV, Index())


@pytest.mark.parametrize(
    "said",
    [
        "Because ghost was not found in the package registry and you require ghost",
        "Because there is no version of ghost[all]==9 and you require ghost[all]==9",
        "Because only ghost>=2 is available and x==1 depends on ghost<2",
        "Because the requested Python version (>=3.9) is not >=3.11 and ghost==2 depends on Python>=3.11",
        "Failed to build `ghost==0.6.2`",
    ],
)
def test_the_others_are_resolved_without_a_package_that_has_no_version(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    excluded: list[str] = []

    def uv(words: list[str], index: Index) -> Captured:
        assert index == Index()
        if "--excludes" not in words:
            text = f"error: No solution found\n  cause: {said}, we can conclude that no.\n"
            return Captured(1, "", text)
        excluded.append(Path(words[words.index("--excludes") + 1]).read_text())
        Path(words[words.index("--output-file") + 1]).write_text("here==1\n    # from https://i/\n")
        return Captured(0, "", "")

    monkeypatch.setattr(resolution, "uv", uv)
    found, missing = resolution.resolve(RISCV, Index())
    assert found == (Resolved("here", "1", "https://i/"),)
    assert missing == {"ghost": said}
    assert excluded == ["ghost"]


@pytest.mark.usefixtures("index")
def test_a_package_without_a_version_is_a_row_that_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(survey, "resolve", lambda _r, _i, _f: ((), {"ghost": "it was not found"}))
    assert main(["readiness", *TO]) == 0
    assert capsys.readouterr().out == (
        "riscv64, cp313 (manylinux_2_31): 0 of 1 packages ready\n"
        "  ghost: no usable version\n    it was not found\n"
    )
    assert main(["readiness", *TO, "--html", "r.html"]) == 0
    assert 'title="it was not found"' in Path("r.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-r", "nope.txt"], 4, "nope.txt can't be read"),
        (["--target", "z80"], 2, "there is no target z80"),
        (["--python", "py3"], 2, "'py3' is not a supported Python"),
        ([], 2, "without a spec: -r FILE --target aarch64 --python cp313"),
    ],
)
@pytest.mark.usefixtures("index")
def test_bad_input_is_said(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    assert main(["readiness", *words]) == code
    assert told in capsys.readouterr().err
