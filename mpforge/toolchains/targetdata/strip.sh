#!/bin/sh
# Strips nothing, and says so: what these compilers link is stripped already, and zig's objcopy can't
# (ziglang 0.17.1: `error: unimplemented`, an empty file is left). Written by mpforge.
[ -z "${MPFORGE_WRAPPER_LOG:-}" ] || printf 'dropped\tstrip %s\t\n' "$*" >>"$MPFORGE_WRAPPER_LOG"
