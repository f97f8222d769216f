"""Show for each target and Python which of the packages that a project needs have wheels."""
