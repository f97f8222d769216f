"""Where a checkout's own files lie."""

from pathlib import Path

import pytest

from mpforge.errors import WrongInput
from mpforge.workspace import open_workspace


@pytest.mark.parametrize("link", [".mpforge", ".mpforge/other", ".mpforge/other/logs"])
def test_state_that_would_lie_outside_of_the_project_is_refused(tmp_path: Path, link: str) -> None:
    """A checkout may come with such a link; what is written there would replace a user's files."""
    spec = tmp_path / "project" / "other.toml"
    place = spec.parent / link
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "outside")
    spec.write_text("")
    with pytest.raises(WrongInput, match=rf"{link} is a symlink to .*outside"):
        open_workspace(spec, {"MPFORGE_CACHE": str(tmp_path / "cache")})


def test_state_that_is_there_is_kept_out_of_git_and_none_is_made(tmp_path: Path) -> None:
    spec = tmp_path / "multiplatform.toml"
    spec.write_text("")
    open_workspace(spec, {"MPFORGE_CACHE": str(tmp_path / "cache")})
    assert not (tmp_path / ".mpforge").exists()
    (tmp_path / ".mpforge").mkdir()
    open_workspace(spec, {"MPFORGE_CACHE": str(tmp_path / "cache")})
    assert (tmp_path / ".mpforge" / ".gitignore").read_text() == "*\n"
