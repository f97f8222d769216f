"""The places where a step's programs run: this host, isolated from it, or a container."""
