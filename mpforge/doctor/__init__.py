"""Report what this host and its container runtime can do for each target."""
