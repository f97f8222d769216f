"""Running one step: on the host, or its programs under QEMU."""
