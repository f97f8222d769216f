"""Where the program begins: it is started by its path, so it says first which package this is (PEP 366)."""

if not __package__:
    import os
    import sys

    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "objectcache"

from .program import run

run()
