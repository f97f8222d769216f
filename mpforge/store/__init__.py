"""The store: content-addressed blobs, trees of them, and the results of actions."""
