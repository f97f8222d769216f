"""Formats that others defined, read: each module catches what its library raises, and gives our errors."""
