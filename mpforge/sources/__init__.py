"""The project's own files: which they are, what git knows of them, sdists unpacked safely."""
