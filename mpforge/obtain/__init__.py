"""Obtaining what steps need from outside: interpreters, packages, programs; each verified by digest."""
