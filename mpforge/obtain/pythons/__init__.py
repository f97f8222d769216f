"""Python interpreters of the host and of targets, and the packages installed in them."""
