#!/bin/sh
# RUSTC_WRAPPER: rustc, called so that what it builds holds no path of this machine. Written by mpforge.
#
# $1 is rustc. In MPFORGE_RUST_LIBRARIES is the sysroot, where it is not rustc's own. A build script that asks
# the compiler for what it is compiled for (`cfg(target_arch)`) means what it builds for: when crossing, a
# project's own is answered so, if it compiles then.

mpf_rustc=$1 mpf_step=${MPFORGE_STEP_DIR:?is not set: this compiler runs within a step of mpforge}
shift
set -- ${MPFORGE_RUST_LIBRARIES:+--sysroot "$MPFORGE_RUST_LIBRARIES"} "$@" "--remap-path-prefix=$mpf_step=."@DYNAMIC@

# What is built is for every machine of its kind, as it is with C.
for mpf_a do
	shift
	case $mpf_a in *target-cpu=native)
		mpf_a=${mpf_a%native}generic
		[ -z "${MPFORGE_WRAPPER_LOG:-}" ] || printf 'dropped\ttarget-cpu=native\t\n' >>"$MPFORGE_WRAPPER_LOG"
		;;
	esac
	set -- "$@" "$mpf_a"
done

mpf_script= mpf_asks=
if [ -n '@CROSS@' ] && [ -n "${CARGO_PRIMARY_PACKAGE:-}" ]; then
	for mpf_a do
		case $mpf_a in
		build_script_*) mpf_asks=1 ;;
		--target | --target=*)
			mpf_asks=
			break
			;;
		*.rs) mpf_script=$mpf_a ;;
		esac
	done
fi
[ -n "$mpf_asks" ] && [ -n "$mpf_script" ] && grep -q '@ASKED@' "$mpf_script" || exec "$mpf_rustc" "$@"

mpf_changed=$mpf_script.mpforge.rs
sed 's/\([^_[:alnum:]]\)\(@ASKED@\)/\1mpforge_\2/g' "$mpf_script" >"$mpf_changed" || exec "$mpf_rustc" "$@"
for mpf_a do
	shift
	[ "$mpf_a" != "$mpf_script" ] || mpf_a=$mpf_changed
	set -- "$@" "$mpf_a"
done
if "$mpf_rustc" "$@" -A unexpected_cfgs @ANSWERS@ 2>"$mpf_changed.said"; then
	cat "$mpf_changed.said" >&2
	[ -z "${MPFORGE_WRAPPER_LOG:-}" ] ||
		printf 'translated\t%s asks for cfg(target_arch)\tanswered @ARCH@\n' "$mpf_script" >>"$MPFORGE_WRAPPER_LOG"
	exit 0
fi
for mpf_a do
	shift
	[ "$mpf_a" != "$mpf_changed" ] || mpf_a=$mpf_script
	set -- "$@" "$mpf_a"
done
exec "$mpf_rustc" "$@"
