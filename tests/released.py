"""A ``dist/`` as sessions leave it, without building: small wheels, an sdist, and their record."""

import functools
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from mpforge.engine.dist import Dist, Entry
from mpforge.engine.load_plan import compiled
from mpforge.engine.session_run import SessionRun
from mpforge.plan.sessions import PlannedSession
from mpforge.workspace import SPEC_NAME, Options, open_workspace
from tests.integration.checkout import Checkout

# A summary that is longer than a line of an e-mail: it is one line still.
METADATA = (
    "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    "Summary: says which machine its compiled code was made for and what that machine can do\n"
)
_WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: {tag}\n"


def wheel(tag: str, metadata: str = METADATA) -> bytes:
    """A wheel of ``tiny`` that pip installs where the tag fits."""
    files = {
        "tiny/__init__.py": f"TAG = {tag!r}\n",
        "tiny-1.0.dist-info/METADATA": metadata,
        "tiny-1.0.dist-info/WHEEL": _WHEEL.format(tag=tag),
        "tiny-1.0.dist-info/RECORD": "",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def sdist(metadata: str = METADATA) -> bytes:
    """An sdist of ``tiny``: only what an index looks at."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("tiny-1.0/PKG-INFO")
        member.size = len(metadata)
        archive.addfile(member, io.BytesIO(metadata.encode()))
    return packed.getvalue()


def publish(checkout: Checkout) -> dict[str, Path]:
    """Put a file of every session in ``dist/``, all tests passed; return the paths by session."""
    with checkout.entered():
        workspace = open_workspace(checkout.root / SPEC_NAME)
        found = compiled(workspace)
        dist = Dist(workspace.dist, workspace.shared_state)
        paths = {}
        for session in found.plan.sessions:
            if session.group or session.phase not in ("sdist", "build"):
                continue
            run = SessionRun(found, session, workspace, Options(), lambda _event: None, dry=True)
            name, content = _content(session)
            tests = [s.name for s in found.plan.sessions if session.name in s.requires]
            entry = Entry(
                path=name,
                digest=hashlib.sha256(content).hexdigest(),
                session=session.name,
                target=session.target,
                python=session.python,
                source=run.shipping.source(session),
                options=session.options,
                recipe="",
                key="",
                store="elsewhere",
                strategy="cross",
                host="x86_64",
                tests={test: {"level": "native", "passed": "2026-11-30"} for test in tests},
            )
            dist.publish([entry], functools.partial(_write, content))
            paths[session.name] = workspace.dist / name
        return paths


def _write(content: bytes, _entry: Entry, place: Path) -> None:
    place.write_bytes(content)


def _content(session: PlannedSession) -> tuple[str, bytes]:
    if session.python is None:
        return "tiny-1.0.tar.gz", sdist()
    tag = f"{session.python}-{session.python}-manylinux_2_17_{session.target}"
    return f"tiny-1.0-{tag}.whl", wheel(tag)
