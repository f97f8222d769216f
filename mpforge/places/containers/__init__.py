"""Run a step's programs in containers of a Docker-compatible engine. Only this package imports ``docker``."""
