"""Upload what ``dist/mpforge.json`` records: the set of files, its checks, the index."""
