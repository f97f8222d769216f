"""Makes the CPython that runs a build hook for PyPy say so, where wheels are named and sources chosen.

At the end of sitecustomize.py, if that describes the target to this interpreter. The hook itself loads
CPython's modules.
"""

import os
import platform
import sys

if os.uname.__module__ == "sitecustomize":
    sys.implementation.name = "pypy"
    sys.pypy_version_info = (7, 3, 0, "final", 0)
    platform.python_implementation = lambda: "PyPy"
