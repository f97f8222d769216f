"""One session: decide, lock, run, verify, store, publish, report."""
