"""What the compiler is told of a project."""

from pathlib import Path

import pytest

from mpforge.engine.project_facts import project_facts
from mpforge.errors import WrongInput
from mpforge.kinds.inputs import Inputs
from mpforge.sources.project import locate
from tests.memory_store import MemoryStore


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[build-system]\nrequires = ["/etc"]', "build-system.requires"),
        ('[project]\nname = "x"\ndependencies = ["/etc"]', "project.dependencies"),
        (
            '[project]\nname = "x"\n[project.optional-dependencies]\nplot = ["/etc"]',
            "project.optional-dependencies.plot",
        ),
    ],
)
def test_a_requirement_that_is_none_is_named_with_its_key(
    tmp_path: Path, table: str, key: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(table, "utf-8")
    inputs = Inputs(locate(tmp_path, ".", "multiplatform.toml"), MemoryStore(tmp_path / "store"))
    with pytest.raises(WrongInput, match=f"pyproject.toml: {key}: '/etc' is not a requirement"):
        project_facts(inputs, wheel=True)
