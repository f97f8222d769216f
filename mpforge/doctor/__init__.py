"""Diagnose the abilities of this host and its container runtime for each target."""
