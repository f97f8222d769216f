"""Which index uv is told of: the spec's, else uv's own, else pip's; credentials in no argument."""

from pathlib import Path

import pytest

from mpforge.errors import ExitCode, HostCannot, Unresolvable
from mpforge.obtain.packages import resolve
from mpforge.obtain.packages.package_index import Index, uv_arguments, without_credentials
from mpforge.obtain.packages.uv import environment_for, explanation, failure, unreachable
from mpforge.obtain.packages.wheel_choice import best_wheel, policy_of
from mpforge.plan.pins import EnvironmentRequest, platform_with
from mpforge.platforms import well_known
from mpforge.processes import Captured

URL = "https://index.example/simple"


def pip_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pip.conf"
    path.write_text(text, encoding="utf-8")
    return path


def asked(
    index: Index, environment: dict[str, str], *pip: Path
) -> tuple[list[str], dict[str, str]]:
    return uv_arguments(index, environment=environment, pip_files=pip, uv_files=())


def test_without_any_configuration_uv_is_told_nothing() -> None:
    assert asked(Index(), {}) == ([], {})


def test_the_specs_index_beats_what_the_machine_is_configured_with(tmp_path: Path) -> None:
    pip = pip_file(tmp_path, "[global]\nindex-url = https://other.example/simple\n")
    _, variables = asked(Index(url=URL), {"UV_INDEX_URL": "https://third.example"}, pip)
    assert variables["UV_DEFAULT_INDEX"] == f"mpforge={URL}"
    assert variables["UV_INDEX_URL"] == variables["UV_INDEX"] == ""


def test_credentials_go_by_the_environment_only() -> None:
    index = Index(url=URL, username_env="WHO", password_env="WORD")
    arguments, variables = asked(index, {"WHO": "me", "WORD": "s:/c"})
    assert arguments == []
    assert variables["UV_INDEX_MPFORGE_USERNAME"] == "me"
    assert variables["UV_INDEX_MPFORGE_PASSWORD"] == "s:/c"
    assert "s:/c" not in variables["UV_DEFAULT_INDEX"]


def test_credentials_of_a_url_are_not_given_to_the_extra_indexes() -> None:
    index = Index(url=URL, extra=("https://other.example",), username_env="WHO")
    _, variables = asked(index, {"WHO": "me"})
    assert [name for name, value in variables.items() if value == "me"] == [
        "UV_INDEX_MPFORGE_USERNAME"
    ]


def test_the_specs_extra_indexes_replace_pips_and_are_asked_first(tmp_path: Path) -> None:
    pip = pip_file(tmp_path, f"[global]\nindex-url = {URL}\nextra-index-url = https://c.example\n")
    index = Index(extra=("https://a.example", "https://b.example"), username_env="WHO")
    _, variables = asked(index, {"WHO": "me"}, pip)
    assert variables["UV_DEFAULT_INDEX"] == URL
    assert variables["UV_INDEX"] == (
        "mpforge-extra0=https://a.example mpforge-extra1=https://b.example"
    )
    assert variables["UV_INDEX_MPFORGE_EXTRA1_USERNAME"] == "me"
    assert "UV_INDEX_STRATEGY" not in variables


def test_a_credential_that_is_not_set_is_named() -> None:
    with pytest.raises(HostCannot, match="NOT_THERE") as caught:
        asked(Index(url=URL, password_env="NOT_THERE"), {})
    assert caught.value.exit_code == ExitCode.HOST_CANNOT


def test_pips_configuration_counts_where_uv_has_none(tmp_path: Path) -> None:
    pip = pip_file(
        tmp_path,
        f"[global]\nindex_url = {URL}\nextra-index-url = file://{tmp_path} file:///not/there\n"
        "cert = /ca.pem\n",
    )
    assert asked(Index(), {}, pip) == (
        [],
        {
            "UV_DEFAULT_INDEX": URL,
            "UV_INDEX": f"file://{tmp_path}",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "SSL_CERT_FILE": "/ca.pem",
        },
    )


def test_pips_variables_beat_its_files_and_install_beats_global(tmp_path: Path) -> None:
    pip = pip_file(tmp_path, "[install]\nindex-url = b\n[global]\nindex-url = a\nno-index = true\n")
    assert asked(Index(), {}, pip) == (["--no-index"], {"UV_DEFAULT_INDEX": "b"})
    assert asked(Index(), {"PIP_INDEX_URL": "c"}, pip)[1]["UV_DEFAULT_INDEX"] == "c"


def test_a_broken_pip_file_is_passed_over(tmp_path: Path) -> None:
    assert asked(Index(), {}, pip_file(tmp_path, "no section\n")) == ([], {})


@pytest.mark.parametrize("text", ["[[index]]\nurl = 'x'\n", "[pip]\nindex-url = 'x'\n", "broken ["])
def test_a_uv_file_with_an_index_leaves_pips_configuration_aside(tmp_path: Path, text: str) -> None:
    uv_file = tmp_path / "uv.toml"
    uv_file.write_text(text, encoding="utf-8")
    pip = pip_file(tmp_path, f"[global]\nindex-url = {URL}\n")
    assert uv_arguments(Index(), environment={}, pip_files=[pip], uv_files=[uv_file]) == ([], {})


def test_the_files_are_found_where_pip_and_uv_look(tmp_path: Path) -> None:
    pip = tmp_path / "config" / "pip" / "pip.conf"
    pip.parent.mkdir(parents=True)
    pip.write_text(f"[global]\nindex-url = {URL}\n", encoding="utf-8")
    places = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    places["UV_CONFIG_FILE"] = str(tmp_path / "none.toml")
    assert uv_arguments(Index(), environment=places)[1]["UV_DEFAULT_INDEX"] == URL


def test_messages_name_an_index_without_its_credentials() -> None:
    index = Index(url="https://me:secret@index.example/simple", extra=("file:///x",))
    assert str(index) == "https://index.example/simple file:///x"
    assert without_credentials("at https://a:b@c/d, http://t@e") == "at https://c/d, http://e"


def test_variables_that_would_change_a_result_do_not_reach_uv() -> None:
    own = {"UV_TARGET": "x", "UV_CONSTRAINT": "y", "VIRTUAL_ENV": "z", "UV_CACHE_DIR": "c"}
    seen = environment_for({}, environment={**own, "UV_HTTP_RETRIES": "9", "HOME": "/h"})
    assert (seen["UV_CACHE_DIR"], seen["HOME"], seen["UV_HTTP_RETRIES"]) == ("c", "/h", "9")
    assert not {"UV_TARGET", "UV_CONSTRAINT", "VIRTUAL_ENV"} & seen.keys()


DOWN = """error: Request failed after 1 retry in 1.1s
  cause: Failed to fetch: http://u:secret@127.0.0.1:9404/simple/pytest/
  cause: client error (Connect)
"""
REFUSED = """error: No solution found when resolving dependencies
  cause: Because pytest was not found in the package registry

hint: An index URL (http://127.0.0.1/simple) could not be queried due to a lack of valid \
authentication credentials (401 Unauthorized)
"""
UNSOLVED = """warning: something else
error: No solution found when resolving dependencies
  cause: Because all versions of x have no usable wheels
         and you require x

hint: Wheels are required (i.e., with `--no-build`)
"""


def answered(stderr: str) -> Captured:
    return Captured(1, "", stderr)


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (DOWN, "unreachable"),
        (REFUSED, "unreachable"),
        (UNSOLVED, "unsolved"),
        ("error: Failed to download\n  cause: Hash mismatch for `a==1`", "hash"),
        ("  cause: Failed to fetch: http://x/a.whl\n  cause: (404 Not Found)", "gone"),
        ("error: Permission denied", "other"),
    ],
)
def test_the_failures_of_uv_are_told_apart(stderr: str, kind: str) -> None:
    assert failure(answered(stderr)) == kind


def test_an_index_that_is_down_is_named_without_credentials() -> None:
    text = str(unreachable(answered(DOWN), Index()))
    assert "the package index http://127.0.0.1:9404/simple did not answer" in text
    assert "secret" not in text


def test_an_index_that_refuses_is_not_called_down() -> None:
    assert "refuses access (401 Unauthorized)" in str(unreachable(answered(REFUSED), Index()))


def test_an_explanation_is_uvs_without_advice_about_its_own_options() -> None:
    assert explanation(answered(UNSOLVED)) == (
        "Because all versions of x have no usable wheels\nand you require x"
    )


def test_an_explanation_has_the_ends_of_a_list_of_versions_and_of_a_long_line() -> None:
    versions = "\n".join(f"      x=={number}" for number in range(99))
    text = f"  cause: Because only these versions of x exist:\n{versions}\n    and {'y ' * 400}end"
    first, listed, last = explanation(answered(text)).splitlines()
    assert first == "Because only these versions of x exist:"
    assert listed == "x==0, …, x==98"
    assert len(last) < 310
    assert last.startswith("and y y")
    assert last.endswith(" y end")


def test_a_requirement_that_the_index_does_not_know_is_to_be_checked_for_its_spelling() -> None:
    text = "Because pytset was not found in the package registry and you require pytset"
    answer = answered(f"error: No solution found when resolving dependencies:\n  cause: {text}")
    request = EnvironmentRequest("test", "cp313", "aarch64", ("pytset",))
    told = resolve._not_resolved(answer, request, Index())
    assert "check the spelling of pytset" in (told.hint or "")


def wheels(*names: str) -> dict[str, object]:
    table = [{"url": f"https://e/{n}", "hashes": {"sha256": n}} for n in names]
    return {"name": "a", "version": "1", "wheels": table}


def test_the_wheel_that_is_pinned_is_the_one_that_an_installer_takes() -> None:
    request = EnvironmentRequest("test", "cp313", "aarch64", ("a",))
    offered = wheels(
        "a-1-py3-none-any.whl",
        "a-1-cp311-abi3-manylinux2014_aarch64.whl",
        "a-1-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "a-1-cp313-cp313-manylinux_2_28_aarch64.whl",
        "a-1-cp313-cp313-manylinux_2_28_x86_64.whl",
        "a-1-cp313-cp313-manylinux_2_34_aarch64.whl",
    )
    assert best_wheel(offered, request).sha256 == "a-1-cp313-cp313-manylinux_2_28_aarch64.whl"


@pytest.mark.parametrize(
    ("target", "policy", "taken"),
    [
        ("aarch64", "manylinux_2_30", "manylinux_2_30"),
        ("aarch64", "manylinux_2_34", "manylinux_2_34"),
        ("s390x", "manylinux_2_99", "manylinux_2_41"),
        ("riscv64", "manylinux_2_31", "manylinux_2_31"),
        ("armv7l_musl", "musllinux_1_2", "musllinux_1_2"),
    ],
)
def test_what_is_installed_beside_a_wheel_may_be_for_that_wheel_s_policy(
    target: str, policy: str, taken: str
) -> None:
    request = EnvironmentRequest("test", "cp313", platform_with(target, policy), ("a",))
    machine = well_known()[target].machine
    policies = [f"manylinux_2_{minor}" for minor in (28, 30, 31, 34, 39, 41)]
    policies += ["musllinux_1_1", "musllinux_1_2", "musllinux_1_3"]
    offered = wheels(*(f"a-1-cp313-cp313-{policy}_{machine}.whl" for policy in policies))
    assert best_wheel(offered, request).sha256 == f"a-1-cp313-cp313-{taken}_{machine}.whl"


@pytest.mark.parametrize(
    ("target", "filename", "policy"),
    [
        ("x86_64", "a-1-cp313-cp313-manylinux2014_x86_64.whl", "manylinux_2_28"),
        ("x86_64", "a-1-cp313-cp313-manylinux_2_30_x86_64.whl", "manylinux_2_30"),
        (
            "s390x",
            "a-1-cp313-cp313-manylinux_2_29_s390x.manylinux_2_34_s390x.whl",
            "manylinux_2_34",
        ),
        ("riscv64", "a-1-py3-none-any.whl", "manylinux_2_31"),
        ("aarch64_musl", "a-1-cp313-cp313-musllinux_1_2_aarch64.whl", "musllinux_1_2"),
    ],
)
def test_a_wheel_is_installed_for_a_system_that_has_what_its_name_says(
    target: str, filename: str, policy: str
) -> None:
    assert policy_of(filename, well_known()[target]) == policy


def test_a_package_without_a_fitting_wheel_cannot_be_pinned() -> None:
    request = EnvironmentRequest("test", "cp313", "aarch64", ("a",))
    with pytest.raises(Unresolvable, match="aarch64, cp313"):
        best_wheel(wheels("a-1-cp313-cp313-win_amd64.whl"), request)


def test_uv_runs_without_a_cache_where_the_home_directory_can_t_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_none(**own: str) -> bool:
        return "UV_NO_CACHE" in environment_for({}, environment=own)

    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) == tmp_path)
    assert not needs_none(HOME=str(tmp_path))
    assert needs_none(HOME="/nonexistent")
    assert not needs_none(HOME="/nonexistent", XDG_CACHE_HOME=str(tmp_path))
    assert not needs_none(HOME="/nonexistent", UV_CACHE_DIR="/elsewhere")
