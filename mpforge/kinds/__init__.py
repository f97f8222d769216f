"""The kinds of steps: what each is given, what its key is taken from, and how it runs."""
