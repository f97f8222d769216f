"""Say for each target and Python whether the packages that a project needs can be had, and which can't."""
