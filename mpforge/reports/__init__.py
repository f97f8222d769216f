"""Reports of a run, for people and programs: a console, and JSON lines."""
