"""Compile a spec, host facts, project facts and a lock into an index and a plan."""
