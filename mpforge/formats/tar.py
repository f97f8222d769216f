"""The standard library's ``tarfile`` with its extraction filters (PEP 706).

CPython has them from 3.11.4 on; Debian 12's 3.11.2 gets the backport.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 11, 4):
    import tarfile
else:
    from backports import tarfile

__all__ = ["tarfile"]
