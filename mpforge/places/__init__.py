"""The places where a step's programs run: this host, kept apart from it, or a container."""
