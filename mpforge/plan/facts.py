"""What the compiler must know beside the spec and the lock: the host and the project, as data.

Gathering these facts is the engine's business.
"""

from dataclasses import dataclass

from mpforge.plan.requirements import OwnPackage


@dataclass(frozen=True)
class HostFacts:
    """This machine: ``platform`` is a target name (``x86_64``) or None where builds can't run.

    ``system`` is the word for messages (``Linux x86_64``, ``macOS arm64``). ``engine`` says that there is
    a container engine, by its socket or by what the user has set up; whether it answers is not known.
    """

    platform: str | None
    system: str
    engine: bool = False


@dataclass(frozen=True)
class Listed:
    """What an entry of the spec's requirements stands for, if not for itself: a file's, or a path.

    All are PEP 508, with hashes behind them where the file has some (``hashes_of``); a path is a direct
    reference that says what is there: see ``mpforge.engine.requirement_files``.
    """

    entry: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectFacts:
    """The project to build: what its pyproject.toml says of building, and what kind of source it is.

    ``backend`` is ``build-backend``; ``in_tree`` says that ``backend-path`` is set; ``form`` is
    ``tree`` (a checkout or a plain directory) or ``sdist`` (packed or unpacked). ``rust`` is the channel
    that ``rust-toolchain.toml`` asks for. ``requires_python`` is None where it is not known before an sdist
    is made; ``requires_python_by`` says in words where it stands. ``pure_by`` says why it is known to be
    pure Python, if it is. ``own`` is what its wheel will say of itself, None where
    not even its name is known; ``asks_compiler`` says that its ``setup.py`` may call one whatever it is asked
    for; ``groups`` are the dependency groups, names as written.
    ``listed`` is what the spec's entries of requirements stand for.
    """

    form: str
    backend: str
    in_tree: bool
    requires: tuple[str, ...]
    requires_python: str | None = None
    requires_python_by: str = "pyproject.toml's requires-python"
    own: OwnPackage | None = None
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    listed: tuple[Listed, ...] = ()
    may_be_abi3: bool = False
    pure_by: str | None = None
    rust: str = "stable"
    asks_compiler: bool = False
