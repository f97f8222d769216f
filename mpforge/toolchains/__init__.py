"""Compilers of C and C++ for a target, and the files that describe the target to build systems."""
