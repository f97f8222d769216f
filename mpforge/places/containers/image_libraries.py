"""Copy an image's shared libraries that a wheel is linked with to the host, which grafts them.

The policy defines those that every system has. Knows nothing of the repair of a wheel.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mpforge.artifacts import elf, wheels
from mpforge.errors import WheelRejected
from mpforge.places.containers.image_root import AnyContainer
from mpforge.platforms import Platform
from mpforge.platforms.policies import system_policy
from mpforge.toolchains.compiler_wrappers import elf_machine

FOLDER = "libraries"
"""Their folder in a step's output, beside the wheel."""

# A cross compiler's root, then ld.so(8): the variable, ld.so.conf, the default directories, multiarch ones
# (Debian's) too. An image that crosses has libraries of two machines: e_machine (elf(5)) tells them apart.
_FIND = """
triple=$1; machine=$2; shift 2
root=${CROSS_ROOT:-}
crossed=${root:+$root/lib64 $root/lib $root/usr/lib64 $root/usr/lib}
is_the_target_s() { [ -e "$1" ] && [ "$(od -An -tx1 -j18 -N2 "$1" | tr -d ' ')" = "$machine" ]; }
listed=$(cat /etc/ld.so.conf /etc/ld.so.conf.d/*.conf 2>/dev/null | while read -r line; do
  case $line in /*) printf '%s ' "$line" ;; esac
done)
defaults="/usr/local/lib64 /usr/local/lib /lib64 /usr/lib64 /lib/$triple /usr/lib/$triple /lib /usr/lib"
for name; do
  for folder in $crossed $(printf %s "${LD_LIBRARY_PATH:-}" | tr : ' ') $listed $defaults; do
    is_the_target_s "$folder/$name" || continue
    printf '%s %s\\n' "$name" "$(readlink -f "$folder/$name")"
    break
  done
done
"""


def collect(at: AnyContainer, output: Path, platform: Platform, policy: str) -> None:
    """Copy the libraries that wheels in ``output`` need, less the policy's, into a folder beside them.

    Includes the libraries' own dependencies. Those that the image lacks are reported by the repair. Raises
    ``RuntimeLost``.
    """
    from elftools.common.exceptions import ELFError

    with contextlib.suppress(ELFError, WheelRejected):  # the repair reports it
        wanted, own = _needs(output.glob("*.whl"))
        known = system_policy(policy, platform).libraries | own
        while wanted := wanted - known:
            known |= wanted
            arrived = list(_fetched(at, output / FOLDER, platform, sorted(wanted)))
            wanted = {name for path in arrived for name in elf.read(path).needed}


def _needs(made: Iterable[Path]) -> tuple[set[str], set[str]]:
    """Return the libraries that the compiled files of wheels need, and those that they contain, by name."""
    needed: set[str] = set()
    own: set[str] = set()
    for wheel in made:
        with tempfile.TemporaryDirectory(prefix="mpforge-wheel-") as folder:
            content = Path(folder) / "wheel"
            wheels.unpack(wheel, content)
            for path in elf.elf_files(content):
                facts = elf.read(path)
                needed |= set(facts.needed)
                own |= {path.name, facts.soname or path.name}
    return needed, own


def _fetched(
    at: AnyContainer, folder: Path, platform: Platform, names: list[str]
) -> Iterator[Path]:
    argv = ["/bin/sh", "-c", _FIND, "find", platform.multiarch, elf_machine(platform).hex()]
    code, said = at.ask([*argv, *names])
    for line in said.splitlines() if code == 0 else ():
        name, _, place = line.partition(" ")
        if name not in names or "/" in name:  # a container's word, never a path of ours
            continue
        folder.mkdir(exist_ok=True)
        at.get(place, folder / name)
        yield folder / name
