"""The project's own files: their selection, their state in git, safe unpacking of sdists."""
