"""A program that stands before a compiler and gives back the object of a call that was made before.

``python objectcache/__main__.py COMPILER ARGUMENT...`` with ``MPFORGE_OBJECTS`` (a directory),
``MPFORGE_OBJECTS_LOG``, ``MPFORGE_OBJECTS_FIXED`` (a directory below which no file changes) and
``MPFORGE_STEP_DIR`` in the environment. A call that compiles one file of C or C++ is known by its arguments,
variables, directory and that file's content. Its object serves again while each header that was read is
the same, *and* while in each place where the compiler looks for one there is what was there then: a
header that appears before another one is seen. Any other call, and whatever is not understood, is the
compiler's alone. What is kept names neither the step's directory nor one of a random name (``Place``).

It is started once a file, without site, from a compiled copy of this directory that lies elsewhere: so it
imports nothing of mpforge, its own modules by relative names, and no other that it can do without.
"""
