"""Obtain interpreters, packages and programs that steps need, each verified by digest."""
