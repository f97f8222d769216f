"""The five cases of a toolchain, each by the module that makes it ready."""

from pathlib import Path
from typing import Protocol, assert_never

from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.toolchains import (
    Compilers,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    ZigInImage,
)
from mpforge.toolchains.ready import Language, ReadyCompilers, SessionTools


class ProvidedToolchain(Protocol):
    """The toolchain of compilers for one target, in a session."""

    def parts(self) -> dict[str, str]:
        """The ingredients of a key that it is; fetches nothing."""

    def to_fetch(self) -> EnvironmentRequest | None:
        """The request for its package, if that must be fetched still; None: nothing must."""

    def is_prepared(self) -> bool:
        """Whether ``prepare`` has nothing to do."""

    def prepare(self) -> None:
        """Fetch and make what any build with it needs."""

    def ready(
        self, languages: tuple[Language, ...], directory: Path, flags: tuple[str, ...], /
    ) -> ReadyCompilers:
        """Compilers that a step in ``directory`` can call, once.

        What they need for ``languages`` is made beforehand; ``flags`` are the texts of CFLAGS and the like,
        on which it may depend.
        """

    def notes_reads(self) -> bool:
        """Whether what it reads of the host is noted, as far as it reads any of it."""


def provided(compilers: Compilers, tools: SessionTools) -> ProvidedToolchain:
    """The toolchain of these compilers. What it needs is imported here: most sessions use one case."""
    match compilers.toolchain:
        case HostZig(zig=request):
            from mpforge.toolchains.host_zig import ProvidedZig

            return ProvidedZig(request, compilers, tools)
        case ZigInImage(zig=request):
            from mpforge.toolchains.zig_in_image import ProvidedZigInImage

            return ProvidedZigInImage(request, compilers, tools)
        case HostGcc():
            from mpforge.toolchains.gcc import ProvidedGcc

            return ProvidedGcc(compilers, tools)
        case ImageCompiler():
            from mpforge.toolchains.image_compiler import ProvidedImageCompiler

            return ProvidedImageCompiler()
        case CrossImage():
            from mpforge.toolchains.cross_image import ProvidedCrossImage

            return ProvidedCrossImage(compilers, tools)
        case never:
            assert_never(never)
