"""A host CPython from the distribution's packages or sources: which ones, and when it is asked for."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpforge.errors import NoHostPython
from mpforge.obtain.distro import apt
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons import source_host_python
from mpforge.obtain.pythons.distribution_host_python import HostDistribution, request
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.reporter import SILENT
from mpforge.platforms import well_known
from mpforge.store.tool_store import ToolStore

HOST = well_known()["x86_64"]
DEBIAN = ("debian", "bookworm")
MISSING = NoHostPython("no CPython 3.14 with its headers on this host")


def _no_python(word: str) -> HostPython:
    raise NoHostPython(word)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionTools:
    """The tools of a session on Debian, with ``--locked`` and an empty lock."""
    monkeypatch.setattr(apt, "host_distribution", lambda: DEBIAN)
    pins = Pins(
        tmp_path / "multiplatform.lock",
        index=Index(),
        state=tmp_path,
        locked=True,
        reporter=SILENT,
        paths=PathPackages(tmp_path, None),  # type: ignore[arg-type] # nothing is built here
    )
    return SessionTools(
        tmp_path,
        ToolStore(tmp_path / "tools"),
        pins,
        lambda _what: contextlib.nullcontext(),
        lambda _warning: None,
        _no_python,
    )


def test_a_newer_suite_s_python_is_asked_for_with_its_headers() -> None:
    wanted = request("cp314", HOST, DEBIAN)
    assert wanted is not None
    assert (wanted.suite, wanted.architecture) == ("forky", "amd64")
    assert {"python3.14-minimal", "libpython3.14-dev", "libc6"} < set(wanted.names)
    assert request("cp312", HOST, DEBIAN) is None
    assert request("cp314", HOST, ("ubuntu", "noble")) is None


@pytest.mark.parametrize("word", ["cp312", "cp314"])
@pytest.mark.parametrize("fetch", [False, True])
def test_what_no_suite_has_or_the_lock_does_not_pin_is_told_as_missing(
    tools: SessionTools, word: str, *, fetch: bool
) -> None:
    packaged = HostDistribution(word, HOST, tools)
    assert not packaged.is_pinned
    with pytest.raises(NoHostPython) as caught:
        packaged.found(otherwise=MISSING, fetch=fetch)
    assert caught.value is MISSING
    assert not (tools.cache / "tools").exists()


class NoCompilers:
    """Compilers of a test, which calls none."""

    def parts(self) -> Mapping[str, str]:
        return {}

    def environment(self, directory: Path) -> Mapping[str, str]:
        raise AssertionError(directory)


@pytest.mark.parametrize("word", ["cp313t", "cp314t"])
@pytest.mark.parametrize("build", [False, True])
def test_a_free_threaded_python_is_built_only_with_pins_and_is_else_told_as_missing(
    tools: SessionTools, word: str, *, build: bool
) -> None:
    with pytest.raises(NoHostPython) as caught:
        source_host_python.provide(word, HOST, tools, NoCompilers(), otherwise=MISSING, build=build)
    assert caught.value is MISSING
    assert not (tools.cache / "tools").exists()
