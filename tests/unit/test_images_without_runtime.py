"""Images are asked of the registry alone where there is no container runtime."""

import pytest

from mpforge.errors import RegistryUnreachable
from mpforge.places.containers import images, registry
from mpforge.plan.pins import ImageRequest


def test_that_only_a_runtime_has_local_images_is_said_where_no_registry_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(request: ImageRequest) -> str:
        raise RegistryUnreachable(f"no {request.name}", hint="check the network")

    monkeypatch.setattr(registry, "digest_of", unreachable)
    with pytest.raises(RegistryUnreachable) as caught:
        images.resolve(None, ImageRequest("local/thing:1", "x86_64"))
    assert str(caught.value.hint).startswith("check the network; an image that only a local")
    assert 'runtime = "engine"' in str(caught.value.hint)
