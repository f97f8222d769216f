"""Name the packages of this host's distribution that files belong to (dpkg-query(1), rpm(8))."""

import shutil
from collections.abc import Iterable, Mapping

from mpforge import processes

_MERGED = "/usr"


def owners(paths: Iterable[str]) -> Mapping[str, str]:
    """Return the package of each file that has one; none on a host with neither dpkg nor rpm."""
    wanted = sorted(set(paths))
    if not wanted:
        return {}
    if shutil.which("dpkg-query"):
        # Packages may name a file by the path that it had before /usr was merged.
        short = [path.removeprefix(_MERGED) for path in wanted if path.startswith(f"{_MERGED}/lib")]
        return dict(
            _of_dpkg(processes.capture(["dpkg-query", "-S", *wanted, *short]).stdout, wanted)
        )
    if shutil.which("rpm"):
        asked = ["rpm", "-qf", "--queryformat", "%{NAME}\\n", *wanted]
        answers = processes.capture(asked).stdout.splitlines()
        pairs = zip(wanted, answers, strict=False)
        return {path: name for path, name in pairs if " " not in name}
    return {}


def _of_dpkg(text: str, wanted: Iterable[str]) -> Iterable[tuple[str, str]]:
    known = set(wanted)
    for line in text.splitlines():
        names, colon, path = line.partition(": ")
        if colon and not line.startswith("diversion "):
            for one in (path, f"{_MERGED}{path}"):
                if one in known:
                    yield one, names.split(",")[0]
