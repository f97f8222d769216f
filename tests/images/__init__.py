"""Images for the container tests, made of Debian's packages alone, and a registry that serves them.

No image is pulled and nothing of the target runs: packages of its architecture are unpacked, what their
maintainer scripts would have done is done by hand, and the tree becomes an archive for ``docker load``.
Root is not needed. ``recipes`` says what there is, ``trees`` unpacks it, ``archives`` packs it,
``container_runtime`` loads it, ``registry`` serves it, ``fixtures`` are what tests ask for.
"""
