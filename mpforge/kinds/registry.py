"""The one list of the kinds of steps."""

from typing import Any

from mpforge.kinds.build_library import BuildingLibrary
from mpforge.kinds.build_wheel import AskingRequirements, BuildingWheel
from mpforge.kinds.check_files import CheckingFiles
from mpforge.kinds.fetch_crates import FetchingCrates
from mpforge.kinds.fetch_source import (
    CopyingFiles,
    FetchingCommit,
    FetchingSdist,
    FetchingSource,
)
from mpforge.kinds.install_packages import InstallingPackages
from mpforge.kinds.kind import Kind
from mpforge.kinds.make_sdist import MakingSdist
from mpforge.kinds.repair_wheel import RepairingWheel
from mpforge.kinds.run_commands import RunningCommands
from mpforge.kinds.run_on_wheel import RunningOnWheel
from mpforge.kinds.run_tests import RunningTests
from mpforge.kinds.take_library import TakingLibrary
from mpforge.plan import steps
from mpforge.plan.steps import Command

_KINDS: dict[type[Command], Kind[Any]] = {
    steps.InstallPackages: InstallingPackages(),
    steps.FetchCrates: FetchingCrates(),
    steps.FetchSource: FetchingSource(),
    steps.FetchSdist: FetchingSdist(),
    steps.FetchCommit: FetchingCommit(),
    steps.CopyFiles: CopyingFiles(),
    steps.BuildLibrary: BuildingLibrary(),
    steps.TakeLibrary: TakingLibrary(),
    steps.AskRequirements: AskingRequirements(),
    steps.MakeSdist: MakingSdist(),
    steps.BuildWheel: BuildingWheel(),
    steps.RunOnWheel: RunningOnWheel(),
    steps.RepairWheel: RepairingWheel(),
    steps.RunCommands: RunningCommands(),
    steps.RunTests: RunningTests(),
    steps.CheckFiles: CheckingFiles(),
}


def kind_of(command: Command) -> Kind[Any]:
    """Return the kind of a command."""
    return _KINDS[type(command)]
