"""What of cargo's configuration is in a key, and what cargo is told to leave alone."""

from pathlib import Path

import pytest

from mpforge.obtain.rust import cargo_environment, crates
from mpforge.obtain.rust.cargo_configuration import user_parts
from mpforge.platforms import well_known


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A CARGO_HOME whose configuration includes two other files, one of which is not there."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "mirror.toml").write_text("[net]\nretry = 1\n")
    (tmp_path / "config.toml").write_text(
        'include = ["more/mirror.toml", { path = "later.toml", optional = true }]\n'
    )
    return tmp_path


def test_the_user_s_configuration_and_all_that_it_includes_is_in_the_key_of_crates(
    home: Path,
) -> None:
    own = {"CARGO_HOME": str(home)}
    seen = [user_parts(own)]
    for name, text in (
        ("more/mirror.toml", "[patch.crates-io]\n"),
        ("later.toml", "paths = []\n"),
        ("config", "# cargo reads this one, where both are there\n"),
        ("config", "include = 'config'\n"),
        ("config", "no TOML"),
    ):
        (home / name).write_text(text)
        seen.append(user_parts(own))
    assert len({str(parts) for parts in seen}) == len(seen)
    assert all(set(parts) == {"cargo.configuration"} for parts in seen)


def test_without_a_configuration_nothing_is_in_the_key(tmp_path: Path) -> None:
    assert user_parts({"CARGO_HOME": str(tmp_path)}) == {}
    assert user_parts({"HOME": str(tmp_path / "none")}) == {}


def test_cargo_looks_no_higher_than_the_directory_of_a_step(tmp_path: Path) -> None:
    step, link = tmp_path / "step", tmp_path / "link"
    step.mkdir()
    link.symlink_to(step)
    host = well_known()["x86_64"]
    compilers = {host: cargo_environment.Programs("cc", "c++", "ar")}
    told = (
        crates.environment({"HOME": str(tmp_path)}, link, tmp_path),
        cargo_environment.plain(link, [tmp_path]).variables,
        cargo_environment.building(
            link, [tmp_path], host=host, target=host, compilers=compilers, python=None
        ).variables,
    )
    assert {variables["__CARGO_TEST_ROOT"] for variables in told} == {str(step.resolve())}


def test_an_extension_for_musl_links_its_shared_library_whatever_else_a_project_asks_for(
    tmp_path: Path,
) -> None:
    """Rust's own default for musl is to link it statically, and then it makes no extension modules."""
    known = well_known()
    host = known["x86_64"]
    for name, dynamic in {"aarch64_musl": True, "aarch64": False}.items():
        place, target = tmp_path / name, known[name]
        compilers = dict.fromkeys((host, target), cargo_environment.Programs("cc", "c++", "ar"))
        setup = cargo_environment.building(
            place, [tmp_path], host=host, target=target, compilers=compilers, python=None
        )
        wrapper = Path(setup.variables["RUSTC_WRAPPER"]).read_text("utf-8")
        added = f'in *" --target {target.rust_triple} "*) set -- "$@" -C target-feature=-crt-static'
        assert (added in wrapper) == dynamic
