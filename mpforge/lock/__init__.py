"""``multiplatform.lock``: its format, and reading and changing the file."""
