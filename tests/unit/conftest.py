"""Property tests find the same examples on every machine, and no clock judges them."""

from hypothesis import settings

settings.register_profile("mpforge", deadline=None, derandomize=True, database=None)
settings.load_profile("mpforge")
