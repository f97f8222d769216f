"""Running a step's programs in a container of a Docker-compatible engine: the only importer of ``docker``."""
