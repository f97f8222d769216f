"""An image's own compilers, for the machine that the image is of.

The image's digest says what they are, and its environment where.
"""

from mpforge.toolchains.ready import ReadyCompilers


class ProvidedImageCompiler:
    """What the image has: nothing is added to it."""

    def parts(self) -> dict[str, str]:
        """None: the image's digest is one already."""
        return {}

    def to_fetch(self) -> None:
        """Nothing."""

    def is_prepared(self) -> bool:
        """True."""
        return True

    def prepare(self) -> None:
        """Do nothing."""

    def ready(self, *_: object) -> ReadyCompilers:
        """What the image's environment says."""
        return ReadyCompilers({}, {})

    def notes_reads(self) -> bool:
        """True: it reads nothing of this host."""
        return True
