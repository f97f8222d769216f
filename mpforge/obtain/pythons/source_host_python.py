"""A free-threaded CPython that runs on this host, built from source as a target's is.

For hosts that have none, where uv's builds can't be had.
"""

from mpforge.errors import NoHostPython, NoTargetPython, PinMissing
from mpforge.obtain.distro import apt
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.pythons.source_python import SourcePython
from mpforge.obtain.pythons.target_python import CrossCompilers, Supplies, TargetPython, Wanted
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import DistroRequest
from mpforge.platforms import Platform, python_words


class SourceHostPython:
    """A Python for this machine, ``host``; ``compilers`` are for it as for any target."""

    def __init__(
        self, python: str, host: Platform, tools: SessionTools, compilers: CrossCompilers
    ) -> None:
        self._python, self._tools, self._compilers = python, tools, compilers
        self._wanted = Wanted(host, python, tools.release or apt.host_distribution())
        self._requests: tuple[DistroRequest, ...] = ()
        if python_words.parse(python).threaded and SourcePython().lack(self._wanted) is None:
            self._requests = SourcePython().requests(self._wanted)

    def kept(self) -> HostPython | None:
        """Return the Python if the lock has its packages, and it was built before."""
        lock = self._tools.pins.lock
        if not self._requests or not all(map(lock.packages_of, self._requests)):
            return None
        found = SourcePython().kept(self._wanted, self._supplies())
        return None if found is None else self._described(found)

    def found(self, *, otherwise: NoHostPython) -> HostPython:
        """Return the Python, built once. Raises ``otherwise`` if it can't be, and the errors of pinning."""
        if not self._requests:
            raise otherwise
        try:
            made = SourcePython().provide(self._wanted, self._supplies())
        except PinMissing:
            raise otherwise from None
        except NoTargetPython as error:
            raise NoHostPython(error.what, why=error.why, hint=error.hint) from None
        return self._described(made)

    def _supplies(self) -> Supplies:
        tools = self._tools
        pins = [tools.pins.distribution(request) for request in self._requests]
        store = tools.store.telling(
            lambda: tools.working(f"building the {self._python} of this host, once")
        )
        state = tools.cache / "distribution"
        return Supplies(pins, store, state, None, compilers=self._compilers)

    def _described(self, found: TargetPython) -> HostPython:
        return host_python.at(self._python, found.executable).with_part("source", found.digest)
