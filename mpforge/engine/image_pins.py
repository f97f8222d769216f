"""Pin the images of a plan, for all targets at once, for ``mpforge lock``.

A registry is asked directly, without a runtime; an image that only a runtime has needs that runtime.
"""

import os
from collections.abc import Callable, Iterable

from mpforge.errors import MpforgeError, NoContainerRuntime, WrongInput
from mpforge.places.containers import connection, images
from mpforge.plan.pins import ImagePin, Lock
from mpforge.plan.wants import Image, Want


def resolved(
    wanted: Iterable[Want],
    *,
    kept: Lock,
    old: Lock,
    say: Callable[[str], None],
    left: list[str],
) -> tuple[ImagePin, ...]:
    """Return ``kept``'s pins and the missing ones; what can't be pinned is appended to ``left``.

    If a pin of ``old`` was to be updated and can't be, it is kept. Raises ``ImageNameWrong``.
    """
    pins = list(kept.images)
    images_of = [want.need.request for want in wanted if isinstance(want.need, Image)]
    missing = [request for request in dict.fromkeys(images_of) if kept.image(request) is None]
    runtime = _runtime() if missing else None
    for request in missing:
        say(f"looking up the image {request.name} for {request.platform}")
        try:
            pins.append(images.resolve(runtime, request))
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


def _runtime() -> connection.ContainerRuntime | None:
    try:
        return connection.connect(os.environ)
    except NoContainerRuntime:
        return None
