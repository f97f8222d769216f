"""Where a checkout's own files lie."""

from pathlib import Path

import pytest

from mpforge.errors import WrongInput
from mpforge.workspace import Workspace, open_workspace, require_cache


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


def test_kept_steps_lie_outside_of_the_checkout_apart_from_those_of_other_specs(
    tmp_path: Path,
) -> None:
    places = set()
    for spec in (tmp_path / "a/multiplatform.toml", tmp_path / "a/b.toml", tmp_path / "c/b.toml"):
        workspace = Workspace(spec, tmp_path / "cache")
        assert workspace.kept.parent == tmp_path / "cache" / "kept"
        places.add(workspace.kept)
    assert len(places) == 3


@pytest.mark.parametrize(
    ("place", "why"), [("/dev/shm/cache", "an empty /dev/shm"), ("/a b", "contains ' '")]
)
def test_a_cache_below_which_steps_can_t_run_is_refused(place: str, why: str) -> None:
    with pytest.raises(WrongInput) as error:
        require_cache(Path(place))
    assert why in f"{error.value.what} {error.value.why}"
