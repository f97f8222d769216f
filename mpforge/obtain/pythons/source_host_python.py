"""A CPython that runs on this host, with headers, built here from Debian's sources.

It is for build hooks of the free-threaded Pythons, of which no distribution has packages.
"""

import hashlib
from pathlib import Path

from mpforge.errors import NoHostPython, PinMissing
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import host_python, source_python
from mpforge.obtain.pythons.distribution_host_python import lay_out
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.pythons.source_python import SourceBuild
from mpforge.obtain.pythons.target_python import CrossCompilers, Supplies, Wanted
from mpforge.obtain.session_tools import SessionTools
from mpforge.platforms import Platform
from mpforge.store.tool_store import ToolTree


def provide(
    python: str,
    host: Platform,
    tools: SessionTools,
    compilers: CrossCompilers,
    *,
    otherwise: NoHostPython,
    build: bool,
) -> HostPython:
    """Return the Python of a word for this machine, ``host``; it is built once, by ``compilers`` for it.

    Without ``build`` neither the archive nor the store is changed. Raises ``otherwise`` if it can't be had,
    and the errors of the build.
    """
    wanted = Wanted(host, python, tools.release or apt.host_distribution())
    requests = source_python.offer(wanted)
    lock = tools.pins.lock
    if isinstance(requests, str) or not (build or all(map(lock.packages_of, requests))):
        raise otherwise
    try:
        sources, runtime, own = map(tools.pins.distribution, requests)
    except PinMissing:
        raise otherwise from None
    pins = (sources, runtime, own)
    size = sum(package.size for pin in pins for package in pin.packages) / 1_000_000
    what = f"the {python} of this host ({size:.0f} MB, fetched and compiled once)"
    store = tools.store.telling(lambda: tools.working(what))
    supplies = Supplies(pins, store, tools.cache / "distribution", None)
    source = SourceBuild(host, python, sources, runtime, own, compilers, supplies)
    source.require_own_version()
    program = source.word.program

    def start(tree: Path) -> None:
        lay_out(root.path / "opt" / "python", host, program, tree)

    if build:
        root = store.obtain(
            name=source.name, version=source.version, digest=source.digest, make=source.make
        )
    else:
        root = _kept(store.find(source.name, source.digest), otherwise)
    digest = hashlib.sha256(f"{source.digest} {root.path}".encode()).hexdigest()
    name = f"host-{python}-source"
    if build:
        tree = store.obtain(name=name, version=source.version, digest=digest, make=start)
    else:
        tree = _kept(store.find(name, digest), otherwise)
    found = host_python.at(python, tree.path / "bin" / program)
    return found.with_part("source", source.digest)


def _kept(tree: ToolTree | None, otherwise: NoHostPython) -> ToolTree:
    if tree is None:
        raise otherwise
    return tree
