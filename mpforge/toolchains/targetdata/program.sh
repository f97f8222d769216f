#!/bin/sh
# zig's @PROGRAM@, which is the same for every target. Written by mpforge.
exec "${MPFORGE_ZIG:?is not set: this program runs within a step of mpforge}" @PROGRAM@ "$@"
