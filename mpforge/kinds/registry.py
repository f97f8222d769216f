"""The one list of the kinds of steps."""

from typing import Any

from mpforge.kinds.ask_requirements import AskingRequirements
from mpforge.kinds.build_wheel import BuildingWheel
from mpforge.kinds.fetch_crates import FetchingCrates
from mpforge.kinds.install_packages import InstallingPackages
from mpforge.kinds.kind import Kind
from mpforge.kinds.make_sdist import MakingSdist
from mpforge.kinds.repair_wheel import RepairingWheel
from mpforge.kinds.run_commands import RunningCommands
from mpforge.kinds.run_tests import RunningTests
from mpforge.plan import model
from mpforge.plan.model import Command

_KINDS: dict[type[Command], Kind[Any]] = {
    model.InstallPackages: InstallingPackages(),
    model.FetchCrates: FetchingCrates(),
    model.AskRequirements: AskingRequirements(),
    model.MakeSdist: MakingSdist(),
    model.BuildWheel: BuildingWheel(),
    model.RepairWheel: RepairingWheel(),
    model.RunCommands: RunningCommands(),
    model.RunTests: RunningTests(),
}


def kind_of(command: Command) -> Kind[Any]:
    """The kind of a command."""
    return _KINDS[type(command)]
