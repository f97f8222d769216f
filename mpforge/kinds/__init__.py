"""The kinds of steps: their inputs, the ingredients of their keys, and how they run."""
