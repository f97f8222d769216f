"""What people and programs are told of a run: a console, and JSON lines."""
