"""The cache directory as a whole: listed, bounded, checked and emptied."""
