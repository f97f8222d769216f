"""Build results (ELF files, wheels, archives): reading, verifying and comparing them."""
