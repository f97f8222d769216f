"""Build the launcher of steps for machines: ``python scripts/build_launcher.py DEST [MACHINE ...]``.

zig makes the same bytes on every host; the version is that of the ``dev`` group in pyproject.toml.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "mpforge" / "places" / "launcher"
MACHINES = ("aarch64", "x86_64")
FLAGS = [
    "-static",
    "-Os",
    "-s",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-sanitize=undefined",
]


def build(dest: Path, machine: str) -> Path:
    """Build the launcher of a machine in a directory; return its path."""
    made = dest / f"launcher-{machine}"
    argv = [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-musl", *FLAGS]
    with tempfile.TemporaryDirectory() as work:  # the linker leaves files beside the program
        done = Path(work, made.name)
        subprocess.run([*argv, "-o", str(done), "launcher.c"], cwd=SOURCE, check=True)
        made.write_bytes(done.read_bytes())
    made.chmod(0o755)
    return made


def sums() -> str:
    """Return the digests of the source and of what was built of it, as ``sha256sum`` prints them."""
    files = [SOURCE / "launcher.c", *(SOURCE / f"launcher-{machine}" for machine in MACHINES)]
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return "".join(f"{one}  {path.name}\n" for one, path in zip(digests, files, strict=True))


if __name__ == "__main__":
    dest = Path(sys.argv[1])
    for word in sys.argv[2:] or MACHINES:
        build(dest, word)
    if dest.resolve() == SOURCE:
        (SOURCE / "SHA256SUMS").write_text(sums(), encoding="ascii")
