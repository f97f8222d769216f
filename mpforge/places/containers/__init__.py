"""Run a step's programs in containers of Docker or Podman. Only this package imports ``docker``."""
