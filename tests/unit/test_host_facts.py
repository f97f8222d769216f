"""The facts about this host that the compiler needs."""

from pathlib import Path

import pytest

from mpforge.engine import host_facts
from mpforge.platforms import well_known
from mpforge.store import notes
from mpforge.store.stamps import boot_id

KERNEL = Path("/proc")


def also_runs(
    note: Path, platform: str = "x86_64", *, spec: str = 'targets = ["i686"]', kernel: Path = KERNEL
) -> tuple[str, ...]:
    return host_facts._also_runs(well_known()[platform], spec, note, kernel)


@pytest.mark.parametrize("spec", ['targets = ["i686"]', 'platform = "linux/386"'])
def test_which_other_machine_s_programs_run_here_is_known_until_the_next_boot(
    spec: str, tmp_path: Path
) -> None:
    note = tmp_path / "also-run.json"
    notes.keep(note, {"boot": boot_id(), "platforms": ["i686"]})
    assert also_runs(note, spec=spec) == ("i686",)
    notes.keep(note, {"boot": boot_id(), "platforms": []})
    assert also_runs(note, spec=spec) == ()


def test_no_program_is_started_where_nobody_asks_or_the_host_can_not(tmp_path: Path) -> None:
    note = tmp_path / "also-run.json"
    assert also_runs(note, spec='targets = ["x86_64", "i686_musl"]') == ()
    assert also_runs(note, "aarch64") == ()
    assert also_runs(note, kernel=tmp_path / "none") == ()
    assert not note.exists()
