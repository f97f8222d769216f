"""The images of a plan, and their pins for all targets at once: what ``mpforge lock`` does with images.

A registry is asked without an engine; an image that only an engine has needs that engine.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from mpforge.errors import MpforgeError, NoEngine, WrongInput
from mpforge.places.containers import connection, images
from mpforge.plan.model import Plan
from mpforge.plan.pins import ImagePin, ImageRequest, Lock


def requests(plans: Iterable[Plan]) -> Iterator[ImageRequest]:
    """The images that programs of these plans run in, each once."""
    seen: set[ImageRequest] = set()
    for plan in plans:
        compilers = (c for session in plan.sessions for c in session.compilers)
        places = [c.inside for c in compilers] + [step.inside for step in plan.steps]
        for inside in places:
            if inside is not None and inside.image not in seen:
                seen.add(inside.image)
                yield inside.image


def resolved(
    wanted: Iterable[ImageRequest],
    *,
    kept: Lock,
    old: Lock,
    say: Callable[[str], None],
    left: list[str],
) -> tuple[ImagePin, ...]:
    """``kept``'s pins and those that it lacks; what can't be pinned is told in ``left``.

    Where a pin of ``old`` was to be moved and can't be, it stays. Raises ``ImageNameWrong``.
    """
    pins = list(kept.images)
    missing = [request for request in wanted if kept.image(request) is None]
    engine = _engine() if missing else None
    for request in missing:
        say(f"looking up the image {request.name} for {request.platform}")
        try:
            pins.append(images.resolve(engine, request))
        except WrongInput:
            raise
        except MpforgeError as error:
            why = f" ({error.why})" if error.why else ""
            before = old.image(request)
            pins += [before] if before is not None else []
            stays = f", which stays {before.digest[:19]}" if before is not None else ""
            left.append(
                f"the image {request.name} for {request.platform}{stays}: {error.what}{why}"
            )
    return tuple(pins)


def _engine() -> connection.Engine | None:
    try:
        return connection.connect(os.environ)
    except NoEngine:
        return None
