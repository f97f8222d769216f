#!/bin/sh
# Runs a program: one of @TRIPLE@ under the emulator, any other as it is. Written by mpforge.
#
# Any other, because CMake and Meson start what they take for the target's in this way: FindPython
# does so with the interpreter of the build, which is the host's.
: "${MPFORGE_EMULATOR:?is not set: this program runs within a step of mpforge}"
: "${MPFORGE_SYSROOT:?is not set: this program runs within a step of mpforge}"
mpf_program=$(command -v -- "$1") || {
	printf '%s: %s: not found\n' "${0##*/}" "$1" >&2
	exit 127
}
# e_ident's magic, class and data, and e_machine (gABI).
shift
case $(od -An -v -tx1 -N20 -- "$mpf_program" | tr -d ' \n') in
7f454c46@IDENT@????????????????????????@ELF_MACHINE@) exec "$MPFORGE_EMULATOR" -L "$MPFORGE_SYSROOT" "$mpf_program" "$@" ;;
*) exec "$mpf_program" "$@" ;;
esac
