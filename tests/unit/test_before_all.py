"""The commands of before-all: what they see of the project, and what the layer's key has of it."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.compiler.typed_commands import commands
from mpforge.errors import WrongInput
from mpforge.kinds.before_all import BeforeAll, seen
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import InImage
from mpforge.platforms import well_known
from mpforge.processes import Ended
from tests.memory_store import MemoryStore

FILES = {"ci/deps.sh": "make deps", "src/a.c": "int a;"}


@dataclass
class Container:
    """A container that notes the commands and the files that are put into it."""

    called: str = "an/image"
    offline: bool = True
    lines: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def put(self, tree: Path, place: str) -> None:
        paths = (path for path in tree.rglob("*") if path.is_file())
        self.files = {f"{place}/{path.relative_to(tree)}": path.read_text() for path in paths}

    def run(self, argv: list[str], *, cwd: str, **_: Any) -> Ended:
        self.lines.append((cwd, argv[-1]))
        return Ended(0, 0.1, 0.1)


def before(root: Path, line: str, *sources: str, files: dict[str, str] = FILES) -> BeforeAll:
    """The command ``line`` of before-all in a project with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    store = MemoryStore(root)
    place = InImage(ImageRequest("an/image", "aarch64"), commands(line), sources=sources)
    inputs = cast("Any", SimpleNamespace(files=store.put_directory(root, sorted(files))))
    return BeforeAll(place, well_known()["aarch64"], seen(place, inputs), cast("Any", store))


def run(one: BeforeAll, root: Path) -> Container:
    container, log = Container(), io.BytesIO()
    task: Any = SimpleNamespace(
        log=log, directory=SimpleNamespace(root=root), step=SimpleNamespace(timeout=60)
    )
    one.run(cast("Any", container), task)
    return container


def test_commands_see_the_files_that_they_ask_for_as_long_as_they_run(tmp_path: Path) -> None:
    container = run(before(tmp_path, "sh {project}/ci/deps.sh {arch}", "ci"), tmp_path)
    assert container.files == {"/project/ci/deps.sh": "make deps"}
    assert container.lines[0] == ("/project", "sh /project/ci/deps.sh aarch64")
    assert container.lines[-1] == ("/", "rm -rf /project 2>/dev/null || :")


def test_without_sources_there_is_no_project(tmp_path: Path) -> None:
    container = run(before(tmp_path, "yum install -y x"), tmp_path)
    assert (container.lines, container.files) == ([("/", "yum install -y x")], {})
    with pytest.raises(WrongInput, match="has no value in before-all") as caught:
        run(before(tmp_path, "sh {project}/ci/deps.sh"), tmp_path)
    assert "before-all-sources" in (caught.value.hint or "")


def test_a_layer_depends_on_the_files_that_its_commands_see_and_on_no_others(
    tmp_path: Path,
) -> None:
    def key(*sources: str, of: dict[str, str] = FILES) -> str:
        return before(tmp_path, "x", *sources, files=of).key("sha256:1")

    assert key("ci") == key("ci", of={**FILES, "src/a.c": "int b;"})
    assert key("ci") != key("ci", of={**FILES, "ci/deps.sh": "make other"})
    assert key("ci") != key()
