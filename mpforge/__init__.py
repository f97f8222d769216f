"""mpforge makes Python software multi-platform: one TOML file, nox sessions, nothing built twice.

This module is imported by every noxfile that calls mpforge, so it imports nothing.
"""

__version__ = "0.1.0"
