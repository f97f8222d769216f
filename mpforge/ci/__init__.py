"""Turn a plan into CI jobs."""
