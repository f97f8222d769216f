"""Cross compilers of an image of this host's machine, and the target's view for that image's Python."""

from collections.abc import Iterable, Mapping

from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import Interpreter
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.toolchains.ready import ProvidedToolchain, ReadyCompilers
from mpforge.toolchains.target_view import (
    View,
    compiler_environment,
    provide_view,
    view_environment,
    view_ingredients,
)


class ProvidedCrossImage(ProvidedToolchain):
    """An image's compilers and interpreter, set up for another target."""

    def __init__(self, compilers: Compilers, tools: SessionTools) -> None:
        self._compilers = compilers
        self._tools = tools

    def parts(self) -> dict[str, str]:
        """Return the view's ingredients, less interpreter and compilers: the image's digest has those."""
        view = self._view(host_python.unseen(self._compilers.python or ""), {})
        return {"toolchain.view": dict(view_ingredients(view))["programs"]}

    def ready_for(
        self, python: Interpreter, variables: Mapping[str, str], added: Iterable[str]
    ) -> ReadyCompilers:
        """Return compilers, named by ``variables``, for this interpreter of the image.

        ``added`` names the variables that the spec adds.
        """
        view = self._view(python, variables)
        tree = provide_view(view, self._tools.store)
        given = {name: variables[name] for name in added}
        return ReadyCompilers(
            given | compiler_environment(tree, view, None),
            view_environment(tree, view, None),
            view=tree,
        )

    def _view(self, python: Interpreter, variables: Mapping[str, str]) -> View:
        platform, policy = well_known()[self._compilers.target], self._compilers.policy
        return View(platform, policy, cross=True, host=python, tools=variables)
