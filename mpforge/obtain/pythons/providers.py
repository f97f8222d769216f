"""The providers of target Pythons, in order, and the choice among them.

The choice depends on the platform, the Python word, the environment and the host's distribution alone,
so it is known before anything is fetched.
"""

import os
from collections.abc import Iterator

from mpforge.errors import NoTargetPython, WrongInput
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons.distribution_python import DistributionPython
from mpforge.obtain.pythons.path_python import PathPython
from mpforge.obtain.pythons.source_python import SourcePython
from mpforge.obtain.pythons.target_python import (
    Provider,
    Wanted,
    path_variable,
)
from mpforge.obtain.pythons.uv_python import UvPython
from mpforge.platforms import Platform

ALL: tuple[Provider, ...] = (PathPython(), DistributionPython(), SourcePython(), UvPython())
"""Every provider, in the order in which they are asked; for a free-threaded Python source comes last."""

_LAST = "source"  # fetching uv's takes seconds, compiling minutes

VARIABLE = "MPFORGE_TARGET_PYTHONS"
"""The variable with the names of the providers to ask instead, in that order."""


def wanted(platform: Platform, python: str, *, release: tuple[str, str] | None = None) -> Wanted:
    """Return what is asked of the providers; ``release`` replaces ``apt.host_distribution()``."""
    return Wanted(platform, python, release or apt.host_distribution())


def choose(want: Wanted) -> Provider:
    """Return the first provider that can have a Python; ``NoTargetPython`` names the lack of each."""
    lacks = []
    for provider in _asked(want):
        lack = provider.lack(want)
        if lack is None:
            return provider
        lacks.append(f"{provider.name}: {lack}")
    variable = path_variable(want.platform, want.python)
    raise NoTargetPython(
        f"no Python {want} can be obtained on this host",
        why="\n".join(lacks),
        hint=f"set {variable}=ROOT, a root directory with it",
    )


def lack(platform: Platform, python: str) -> str | None:
    """Return why no provider can have a Python, one line for each; None if one can."""
    try:
        choose(wanted(platform, python))
    except NoTargetPython as error:
        return error.why
    return None


def _asked(want: Wanted) -> Iterator[Provider]:
    names = os.environ.get(VARIABLE, "").replace(",", " ").split()
    known = {provider.name: provider for provider in ALL}
    yield ALL[0]  # a path is given for one Python of one target
    for name in names:
        if name not in known:
            raise WrongInput(
                f"{VARIABLE} names no provider of Pythons: {name}",
                hint=f"the providers are {', '.join(known)}",
            )
    own = sorted(known, key=_LAST.__eq__) if want.python.endswith("t") else known
    yield from (known[name] for name in names or own if known[name] is not ALL[0])
