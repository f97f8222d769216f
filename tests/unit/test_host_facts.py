"""The facts about this host that the compiler needs."""

from pathlib import Path

from mpforge.engine import host_facts
from mpforge.platforms import well_known
from mpforge.store import notes
from mpforge.store.stamps import boot_id

INTEL = well_known()["x86_64"]


def also_runs(note: Path, platform: str = "x86_64") -> tuple[str, ...]:
    return host_facts._also_runs(well_known()[platform], note, Path("/proc"))


def test_which_other_machine_s_programs_run_here_is_known_until_the_next_boot(
    tmp_path: Path,
) -> None:
    note = tmp_path / "also-run.json"
    notes.keep(note, {"boot": boot_id(), "platforms": ["i686"]})
    assert also_runs(note) == ("i686",)
    notes.keep(note, {"boot": boot_id(), "platforms": []})
    assert also_runs(note) == ()


def test_no_program_is_started_where_the_kernel_or_the_processor_can_not(tmp_path: Path) -> None:
    note = tmp_path / "also-run.json"
    assert also_runs(note, "aarch64") == ()
    assert host_facts._also_runs(INTEL, note, tmp_path / "none") == ()
    assert not note.exists()
