"""Packages of a package index: resolved, pinned and installed, by uv."""
