"""Obtaining tools: compilers, interpreters, emulators, packages; each known by digest."""
