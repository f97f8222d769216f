"""Verify a build's result before it may be stored; raise the error of one that can't run.

docs/proofs.md lists what is proved of each kind of output. Each check gives reasons; here they become
one error, of the first kind found: a symbol of a file for another machine is no news.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.artifacts import stable_abi, wheels
from mpforge.artifacts.binary_format import Binary
from mpforge.artifacts.undefined_symbols import Surroundings, remedy, undefined
from mpforge.artifacts.verification import format_of, tag_reasons
from mpforge.errors import MpforgeError, StableAbiBroken, UndefinedSymbol, WheelRejected
from mpforge.platforms import Platform, policy_version
from mpforge.platforms.policies import system_policy

_RAISE_POLICY = "raise [build] policy, or change what the build links"
_ALLOW = (
    'set `allow-undefined = ["{name}"]` in [build] if the program that loads the file defines it'
)
_SHOWN = 12


@dataclass(frozen=True)
class Promise:
    """The systems that a result must run on: all of a policy. The globs are those of the spec.

    ``excluded`` are libraries that the user has, ``provided`` symbols that the loading program defines.
    ``passing`` is the build's temporary directory, which exists on no other machine.
    """

    platform: Platform
    policy: str
    excluded: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    passing: Path | None = None

    def reasons(self, root: Path) -> tuple[Mapping[str, Binary], list[str]]:
        """Return the compiled files below a directory, and why they can't run on all the policy's systems."""
        allowed = system_policy(self.policy, self.platform).libraries | set(self.excluded)
        examine = format_of(self.platform)
        return examine(root, self.platform, self.policy, allowed, self.passing)

    def surroundings(
        self, python: str | None = None, *, stable: bool = False, shares: bool = False
    ) -> Surroundings:
        """Return the surroundings of the files on the target; see ``Surroundings`` for the arguments."""
        system = system_policy(self.policy, self.platform)
        return Surroundings(
            system.libraries, system.glibc, self.excluded, self.provided, python, stable, shares
        )


def prove_files(root: Path, promise: Promise) -> None:
    """Check the files of a build other than a wheel; wheels among them are checked for their own Python.

    Raises ``WheelRejected``, ``StableAbiBroken``, ``UndefinedSymbol``.
    """
    what = f"the build for {promise.platform.name}"
    facts, reasons = promise.reasons(root)
    _reject(WheelRejected, f"{what} does not meet {promise.policy}", reasons, _RAISE_POLICY)
    _refuse_undefined(what, facts, promise.surroundings())
    for wheel in sorted(root.rglob("*.whl")):
        with tempfile.TemporaryDirectory(prefix="mpforge-wheel-") as folder:
            _prove_among_files(wheel, Path(folder) / "content", promise)


def _prove_among_files(wheel: Path, content: Path, promise: Promise) -> None:
    """Check a wheel that commands made; a tag without a policy stands for the spec's policy."""
    from packaging.utils import InvalidWheelFilename

    wheels.unpack(wheel, content)
    try:
        name = wheels.wheel_name(wheel.name)
    except InvalidWheelFilename as error:
        raise WheelRejected(
            f"{wheel.name} is not a valid wheel file name", why=str(error)
        ) from None
    wrong = [*wheels.format_reasons(wheel.name, content), *wheels.record_reasons(content)]
    refuse(wheel.name, wrong)
    own = [abi for abi in (*name.abis, *name.pythons) if re.fullmatch(r"cp3\d+t?", abi)]
    python = min(own, default="cp311")  # one for every Python 3 may be checked for any
    if name.platforms == (f"linux_{promise.platform.machine}",):
        _prove_content(wheel.name, content, python, promise, [])
    else:
        prove_wheel(wheel.name, content, python, promise, pure=False)


def prove_wheel(filename: str, root: Path, python: str, promise: Promise, *, pure: bool) -> None:
    """Check a wheel by its name and its unpacked content; ``pure``: it must hold no compiled files.

    Raises ``WheelRejected``, ``StableAbiBroken``, ``UndefinedSymbol``.
    """
    name = wheels.wheel_name(filename)
    reasons = list(tag_reasons(filename, promise.platform, promise.policy, python))
    if not reasons and not name.pure:  # it is checked against its own tag
        promised = [tag.removesuffix(f"_{promise.platform.machine}") for tag in name.platforms]
        promise = replace(promise, policy=min(promised, key=policy_version))
    _prove_content(filename, root, python, None if pure else promise, reasons)


def _prove_content(
    filename: str, root: Path, python: str, promise: Promise | None, reasons: list[str]
) -> None:
    """Check what a wheel's tag promises of its compiled files, beside ``reasons`` against the tag itself.

    Without a ``promise`` only ``reasons`` count.
    """
    name = wheels.wheel_name(filename)
    if reasons or promise is None:
        _refuse_promise(filename, reasons)
        return
    facts, reasons = promise.reasons(root)
    if name.pure and facts:
        reasons.append("its platform tag is `any`, but it contains compiled code")
    oldest = stable_abi.promised(name, python)
    suffixes = list(stable_abi.suffix_reasons(facts, name, promise.platform.multiarch))
    if reasons or oldest is None:
        _refuse_promise(filename, [*reasons, *suffixes])
    if any(file.is_module for file in facts.values()) and wheels.is_for_purelib(root):
        refuse(filename, ["WHEEL says Root-Is-Purelib, but the wheel has extension modules"])
    if oldest is not None:
        version = ".".join(map(str, oldest))
        _reject(
            StableAbiBroken,
            f"{filename} does not run on every Python since {version}, although its tag says so",
            [*suffixes, *stable_abi.symbol_reasons(facts, oldest)],
            f"compile with Py_LIMITED_API={oldest[0]:#04x}{oldest[1]:02x}0000 and name modules .abi3.so "
            "(setuptools: Extension(py_limited_api=True)), or tag the wheel for one Python only",
        )
    shares = any(map(_loads_globally, root.rglob("*.py")))
    there = promise.surroundings(python, stable=oldest is not None, shares=shares)
    _refuse_undefined(filename, facts, there)


def _refuse_promise(filename: str, reasons: list[str]) -> None:
    _reject(WheelRejected, f"{filename} does not meet its tag", reasons, _RAISE_POLICY)


def refuse(filename: str, reasons: list[str]) -> None:
    """Raise ``WheelRejected`` for a file that breaks the wheel format (PEP 427), with each reason."""
    hint = "fix the build backend's configuration, or use another version of the backend"
    _reject(WheelRejected, f"{filename} is not a valid wheel", reasons, hint)


def _refuse_undefined(what: str, facts: Mapping[str, Binary], there: Surroundings) -> None:
    lacking = list(undefined(facts, there))
    if lacking:
        names = {one.symbol for one in lacking}
        hint = f"{remedy(names)}; or {_ALLOW.format(name=min(names))}"
        _reject(UndefinedSymbol, f"{what} has undefined symbols", map(str, lacking), hint)


def _reject(error: type[MpforgeError], what: str, reasons: Iterable[str], hint: str) -> None:
    """Raise an error with the first few reasons, one a line; do nothing without a reason."""
    every = list(dict.fromkeys(reasons))
    more = [f"and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    if every:
        raise error(what, why="\n".join([*every[:_SHOWN], *more]), hint=hint)


def _loads_globally(module: Path) -> bool:
    """Return whether Python code loads modules or libraries with RTLD_GLOBAL."""
    if not module.is_file():
        return False
    text = module.read_bytes()
    return b"RTLD_GLOBAL" in text or b"setdlopenflags" in text
