"""The five cases of a toolchain: which one a spec leads to, and what each needs before it can be called."""

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, ImageRequest, Lock, Package
from mpforge.plan.places import InImage
from mpforge.plan.toolchains import (
    Compilers,
    Configurer,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    Toolchain,
    ZigInImage,
)
from mpforge.spec.load import load_spec
from mpforge.store.tool_store import ToolStore
from mpforge.toolchains import gcc, host_reads, target_view, zig
from mpforge.toolchains.cases import provided
from mpforge.toolchains.host_zig import ProvidedZig

REQUEST = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
PIN = EnvironmentPin(REQUEST, (Package("ziglang", "0.15.1", ("sha256:00",)),))
PLACE = InImage(ImageRequest("an/image", "aarch64"))
CROSS = '[toolchains.mine]\nkind = "container"\nimage = "an/image"\n'


@pytest.mark.parametrize(
    ("target", "build", "expected"),
    [
        ("aarch64", "", HostZig),
        ("x86_64", "", HostZig),
        ("x86_64", 'toolchain = "gcc"', HostGcc),
        ("aarch64", 'strategy = "hybrid"', ZigInImage),
        ("aarch64", 'strategy = "emulate"', ImageCompiler),
        ("aarch64", f'toolchain = "mine"\n{CROSS}', CrossImage),
    ],
)
def test_a_spec_leads_to_one_of_five_toolchains(
    target: str, build: str, expected: type[Toolchain]
) -> None:
    text = f'schema = 1\n[project]\npython = ["cp311"]\ntargets = ["{target}"]\n[build]\n{build}\n'
    project = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
    host = HostFacts("x86_64", "Linux x86_64", container_runtime=True)
    plan = compile_plan(load_spec(text, file="m.toml"), host, project, Lock())
    session = plan.session(f"build-{target}-cp311")
    assert session is not None
    assert session.refusal is None
    assert [type(compilers.toolchain) for compilers in session.compilers] == [expected]


# --- made ready -----------------------------------------------------------------------------------


class Session:
    """A session whose tool store is empty and whose lock pins zig."""

    def __init__(self, place: Path) -> None:
        self.store = ToolStore(place / "tools")
        lock = Lock(environments=(PIN,))
        self.tools = SessionTools(
            place,
            self.store,
            cast("Any", SimpleNamespace(lock=lock, environment=lambda _: PIN)),
            working=lambda _: nullcontext(),
            warn=lambda _: None,
            host_python=lambda word: pytest.fail(f"{word} is asked for"),
        )

    def of(self, toolchain: Toolchain, target: str = "aarch64", python: str | None = None) -> Any:
        compilers = Compilers(toolchain, target, "manylinux_2_28", python)
        return provided(compilers, self.tools)

    def put(self, name: str, digest: str) -> None:
        self.store.obtain(name=name, version="1", digest=digest, make=lambda _: None)


def test_zig_must_be_fetched_and_its_library_and_view_made_once(tmp_path: Path) -> None:
    session = Session(tmp_path)
    toolchain: ProvidedZig = session.of(HostZig(REQUEST, cross=True))
    assert toolchain.to_fetch() == REQUEST
    assert not toolchain.is_prepared()
    session.put("zig", zig.digest_of(PIN.packages))
    assert toolchain.to_fetch() is None
    assert not toolchain.is_prepared()
    session.put(*toolchain._runtime().name("c"))
    assert not toolchain.is_prepared()
    session.put(*target_view.view_name(toolchain._view))
    assert toolchain.is_prepared()


@pytest.mark.parametrize(
    ("configurer", "wanted"),
    [
        (None, [("c++", "aarch64")]),
        ("cmake", [("c++", "aarch64")]),
        ("autotools", [("c++", "aarch64"), ("c", "here")]),
        ("meson", [("c++", "aarch64"), ("c++", "here")]),  # it tries both machines' C++ compilers
    ],
)
def test_libraries_of_zig_s_that_a_c_plus_plus_build_links_are_not_made_in_each_step(
    tmp_path: Path, configurer: Configurer | None, wanted: list[tuple[str, str]]
) -> None:
    compilers = Compilers(
        HostZig(REQUEST, cross=True), "aarch64", "manylinux_2_28", None, configurer=configurer
    )
    toolchain = provided(compilers, Session(tmp_path).tools)
    assert isinstance(toolchain, ProvidedZig)
    found = toolchain.libraries_for(("c", "c++"), ())
    machines = [(language, runtime.triple.partition("-")[0]) for language, runtime in found]
    here = os.uname().machine
    assert machines == [
        (language, here if where == "here" else where) for language, where in wanted
    ]


def test_zig_in_an_image_has_the_native_programs_that_call_it_in_its_key(tmp_path: Path) -> None:
    session = Session(tmp_path)
    here = session.of(HostZig(REQUEST, cross=False)).parts()
    inside = session.of(ZigInImage(REQUEST, PLACE)).parts()
    assert set(inside) - set(here) == {"native"}
    assert inside["toolchain.zig"] == here["toolchain.zig"] == "ziglang 0.15.1"
    assert inside["toolchain.programs"] != here["toolchain.programs"]  # the image's headers


@pytest.mark.parametrize("toolchain", [ImageCompiler(PLACE), CrossImage(PLACE)])
def test_an_images_compilers_need_nothing_of_this_host(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    found = Session(tmp_path).of(toolchain)
    found.prepare()
    assert found.is_prepared()
    assert found.to_fetch() is None
    assert found.ready((), tmp_path, ()).variables == {}
    assert not (tmp_path / "tools").exists()


@pytest.mark.parametrize(
    ("python", "hooks"), [("cp311", {"LDSHARED", "LDCXXSHARED"}), (None, set())]
)
def test_gcc_is_called_by_our_names_and_hooks_of_a_python_link_with_it(
    python: str | None, hooks: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {name: f"/usr/bin/{word}" for name, word in gcc._DRIVERS.items()}
    monkeypatch.setattr(gcc, "find", lambda _: gcc.Gcc(programs, {"gcc.version": "12"}))
    monkeypatch.setattr(host_reads, "make_library", lambda *_: None)
    found = Session(tmp_path).of(HostGcc(), "x86_64", python)
    ready = found.ready(("c",), tmp_path, ())
    assert set(ready.hooks) == hooks
    (folder,) = ready.path
    assert ready.variables["CC"] == f"{folder}/gcc"
    assert "-ffile-prefix-map=" in Path(ready.variables["CC"]).read_text(encoding="utf-8")
    assert Path(ready.variables["AR"]).readlink() == Path("/usr/bin/ar")
    assert not found.notes_reads()  # there is no library that does so
