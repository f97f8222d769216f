"""A checkout of the small package for each test, with a cache of its own."""

from pathlib import Path

import pytest

from tests.e2e.conftest import write_project
from tests.e2e.workspace import Cache
from tests.integration.checkout import Checkout
from tests.integration.repositories import root, with_submodule  # noqa: F401 (fixtures)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """The small package; nothing of it is pinned or built."""
    made = Checkout(tmp_path / "project", Cache(tmp_path / "cache"))
    write_project(made)
    return made
