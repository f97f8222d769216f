"""The plan as CI jobs."""
