"""nox, with the CPU seconds of its containers told at its end: ``python _counted.py FILE ARGUMENT...``.

A runtime runs containers, so that nobody who waits for nox sees what they used; mpforge asks the runtime.
"""

import atexit
import resource
import sys
from pathlib import Path

from nox.__main__ import main

from mpforge import processes


def tell(file: Path) -> None:
    """Write what was used by programs that are no children of this process."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = processes.children_cpu() - children.ru_utime - children.ru_stime
    file.write_text(f"{used:.3f}", encoding="utf-8")


if __name__ == "__main__":
    program, told, *arguments = sys.argv
    sys.argv = ["nox", *arguments]
    atexit.register(tell, Path(told))
    main()
