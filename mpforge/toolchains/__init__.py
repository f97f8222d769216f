"""C and C++ compilers for a target, and the files that describe the target to build systems."""
