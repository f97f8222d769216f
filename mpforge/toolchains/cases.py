"""The five cases of a toolchain, each by the module that makes it ready."""

from typing import assert_never

from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.toolchains import (
    Compilers,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    ZigInImage,
)
from mpforge.toolchains.ready import ProvidedToolchain


def provided(compilers: Compilers, tools: SessionTools) -> ProvidedToolchain:
    """Return the toolchain of these compilers. Its module is imported here: most sessions use one case."""
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
            return ProvidedToolchain()
        case CrossImage():
            from mpforge.toolchains.cross_image import ProvidedCrossImage

            return ProvidedCrossImage(compilers, tools)
        case never:
            assert_never(never)
