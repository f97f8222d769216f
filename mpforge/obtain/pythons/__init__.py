"""Python interpreters of the host and of targets, and what is installed in them."""
