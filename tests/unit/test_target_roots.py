"""Where emulated tests see the target's root, and what is remembered of that."""

from pathlib import Path

import pytest

from mpforge.errors import HostCannot
from mpforge.kinds import target_roots
from mpforge.kinds.target_roots import Answers
from mpforge.obtain.emulators import Emulator
from mpforge.places.containers import root_probe
from mpforge.places.isolation import NO_ISOLATION
from mpforge.platforms import well_known

ARM = well_known()["aarch64"]
QEMU = Path("/usr/bin/qemu-aarch64-static")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The answers that the kernel will give, last one first."""
    answers: list[bool] = []
    monkeypatch.setattr(root_probe, "can_emulate", lambda *_: answers.pop())
    return answers


def test_a_yes_is_remembered_for_this_emulator_and_a_no_is_asked_again(
    asked: list[bool], tmp_path: Path
) -> None:
    note = tmp_path / "platforms.json"
    asked += [True, False]
    assert not Answers(note).can(ARM, QEMU)
    assert Answers(note).can(ARM, QEMU)
    assert Answers(note).can(ARM, QEMU)
    assert asked == []
    with pytest.raises(IndexError):
        Answers(note).can(ARM, None)


def test_a_yes_is_forgotten_where_the_host_refuses_sandboxes_since(
    asked: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(tmp_path / "platforms.json")
    asked += [False, True]
    assert answers.can(ARM, QEMU)
    monkeypatch.setattr(target_roots, "isolation", lambda: NO_ISOLATION)
    with pytest.raises(HostCannot, match="can no longer run in the target's root"):
        answers.confirm(ARM, QEMU)
    assert not answers.can(ARM, QEMU)


def test_a_given_sysroot_is_a_root_if_it_has_a_shell_and_shows_the_interpreter(
    tmp_path: Path,
) -> None:
    program = tmp_path / "usr/bin/python3.11"
    assert not target_roots.is_root(tmp_path, program)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("/bin/dash")
    assert target_roots.is_root(tmp_path, program)
    assert not target_roots.is_root(tmp_path, tmp_path / "home/python/bin/python3.11")
    assert not target_roots.is_root(tmp_path, Path("/usr/bin/python3.11"))


def test_a_root_s_programs_get_the_cpu_model_and_see_a_python_in_opt(tmp_path: Path) -> None:
    qemu = Emulator(QEMU, "7.2", "", "PATH")
    (tmp_path / "opt").mkdir()
    words = target_roots.root(tmp_path, ARM, qemu, "cortex-a53").operations
    assert words[:2] == ("emulator", str(QEMU.resolve()))
    assert words[3:] == ("cpu", "cortex-a53", "", "ro", str(tmp_path / "opt"), "/opt")
