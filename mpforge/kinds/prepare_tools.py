"""Prepare what the builds of a target share: toolchains, and images with their additions.

It is not a step of the plan: results are kept in the store of tools, and no step has them as an input.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mpforge.errors import NoHostPython
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.step_places import ProvidedPlace
from mpforge.plan.places import PlannedPlace
from mpforge.plan.steps import Work
from mpforge.plan.toolchains import Compilers


@dataclass(frozen=True)
class ToolPreparation:
    """The compilers of one target's builds, as far as this host can use them."""

    provision: Provision
    compilers: tuple[Compilers, ...]

    def parts(self) -> Mapping[str, str]:
        """Return the parts of all preparations, for a key."""
        return {
            f"{number}.{name}": value
            for number, compilers in enumerate(self.compilers)
            for name, value in self._parts(compilers).items()
        }

    def is_done(self, key: str) -> bool:
        """Return whether everything is prepared, for the key of its parts."""
        toolbox = self.provision.toolbox
        return all(
            toolbox.is_prepared(compilers) and self._place(compilers).is_prepared(key)
            for compilers in self.compilers
        )

    def run(self, key: str) -> None:
        """Prepare everything. Raises what fetching and making it raises."""
        for compilers in self.compilers:
            self.provision.toolbox.prepare(compilers)
            self._place(compilers).prepare(compilers, self._pythons(compilers.place))
        for place in dict.fromkeys(map(self._place, self.compilers)):
            place.remember(key)

    def _place(self, compilers: Compilers) -> ProvidedPlace:
        return self.provision.places.of(compilers.place)

    def _parts(self, compilers: Compilers) -> dict[str, str]:
        parts, place = self.provision.compiler_parts(compilers), self._place(compilers)
        for word in self._pythons(compilers.place):
            for name, value in place.hook_parts(word, installed=False).items():
                parts[f"{word}.{name}"] = value
        return parts

    def _pythons(self, place: PlannedPlace) -> tuple[str, ...]:
        """Return the Pythons of a place's own that build in it."""
        steps = (step for step in self.provision.plan.steps if step.place == place)
        words = (step.command.python for step in steps if step.command.work is Work.BUILD)
        own = () if place.sees_host else words
        return tuple(dict.fromkeys(word for word in own if word is not None))


def usable(
    provision: Provision, compilers: tuple[Compilers, ...], warn: Callable[[str], None]
) -> ToolPreparation:
    """Return the preparation of compilers whose host Python exists: others stop their own build only.

    Raises ``NoHostPython`` if all are missing.
    """
    found: list[Compilers] = []
    missing: list[NoHostPython] = []
    for each in compilers:
        try:
            if each.python is not None:
                provision.toolbox.host_python(each.python)
            found.append(each)
        except NoHostPython as error:
            missing.append(error)
    if missing and not found:
        raise missing[0]
    for absent in missing:
        warn(absent.what)
    return ToolPreparation(provision, tuple(found))
