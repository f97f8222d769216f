#!/bin/sh
# A compiler driver for @TRIPLE@: zig, called the way that gcc is. Written by mpforge.
#
# It gives zig the target, and takes or says otherwise what zig would refuse. Whatever is not passed on
# as it came is told in $MPFORGE_WRAPPER_LOG, a line each: what happened, to what, what was said
# instead (where refused: the whole call, and its directory), parted by tabs. Needs MPFORGE_ZIG and
# ZIG_GLOBAL_CACHE_DIR; no other program is started, but readlink for a library that is a link.

: "${MPFORGE_ZIG:?is not set: this compiler runs within a step of mpforge}"
: "${ZIG_GLOBAL_CACHE_DIR:?is not set: this compiler runs within a step of mpforge}"
case $0 in */*) mpf_view=${0%/*}/.. ;; *) mpf_view=.. ;; esac
mpf_step=${MPFORGE_STEP_DIR:-}

mpf_optimised= mpf_compiles= mpf_objects= mpf_language= mpf_plain= # what the call is, found on the way
mpf_next=    # what the next argument is: see the first `case` below
mpf_link=    # the same for the next argument of the linker
mpf_kept=    # linker arguments of one list that stay, each after a comma
mpf_refused= # what of the host the call names, each after a space
mpf_carried= # linker arguments that zig does not know and its linker does, each after a newline
mpf_states=  # what --push-state remembers: a letter for each of as-needed, whole-archive and static
mpf_state=--- # the same as it is now
mpf_script= mpf_collects= # whether there is a version script; whether unused sections are to go
mpf_c_std= mpf_cxx_std= mpf_c= mpf_cxx= # the last -std= of each language; whether it is compiled
mpf_sources= # what is compiled, each before a newline
mpf_inputs= # whether there is anything to compile or link
mpf_parallel= # whether OpenMP's runtime is wanted
mpf_mcpu=  # the last CPU that is said, in zig's words
mpf_given= # whether one of the native libraries that the build is given is linked
mpf_line_end='
'

mpf_tell() { # WHAT ARGUMENT [INSTEAD [DIRECTORY]]
	[ -z "${MPFORGE_WRAPPER_LOG:-}" ] || printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${3:-}" "${4:-}" >>"$MPFORGE_WRAPPER_LOG"
}

@HOST_PATHS@
@CPU_NAMES@
@LINKING@
mpf_call=$0
for mpf_a do mpf_call="$mpf_call $mpf_a"; done

# A file of arguments is read here, else what is in it would be seen by nobody. One that holds what the
# shell would act upon is left to zig.
mpf_expand() { # FILE: its arguments in $mpf_words, quoted for eval
	mpf_words=
	while IFS= read -r mpf_line || [ -n "$mpf_line" ]; do
		case $mpf_line in *[!A-Za-z0-9_./=+,:@%\ \	\"\'\\-]*)
			mpf_tell unread "@$1"
			mpf_words=\"\$mpf_a\"
			return
			;;
		esac
		mpf_words="$mpf_words $mpf_line"
	done <"$1"
}

case $mpf_call in *' @'*)
	set -f
	for mpf_a do
		shift
		case $mpf_a in
		@?*) if [ -r "${mpf_a#@}" ]; then mpf_expand "${mpf_a#@}" && eval "set -- \"\$@\" $mpf_words"; else set -- "$@" "$mpf_a"; fi ;;
		*) set -- "$@" "$mpf_a" ;;
		esac
	done
	set +f
	;;
esac

# Directories that the environment names are judged as those of the call.
if [ -n "${CPATH:-}${C_INCLUDE_PATH:-}${CPLUS_INCLUDE_PATH:-}" ]; then
	mpf_list=${CPATH:+$CPATH:}
	while [ -n "$mpf_list" ]; do
		mpf_a=${mpf_list%%:*} mpf_list=${mpf_list#*:}
		set -- "$@" -I "${mpf_a:-.}"
	done
	case '@LANGUAGE@' in
	c) mpf_list=${C_INCLUDE_PATH:+$C_INCLUDE_PATH:} ;;
	*) mpf_list=${CPLUS_INCLUDE_PATH:+$CPLUS_INCLUDE_PATH:} ;;
	esac
	while [ -n "$mpf_list" ]; do
		mpf_a=${mpf_list%%:*} mpf_list=${mpf_list#*:}
		set -- "$@" -isystem "${mpf_a:-.}"
	done
	unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH
fi

# What of this host a native build names is in no key: each call is kept, for who looks afterwards.
if [ -z '@CROSS@' ] && [ -n "${MPFORGE_CALLS:-}" ]; then
	printf '%s\0' "$PWD" "$@" '
' >>"$MPFORGE_CALLS/$$"
fi

for mpf_a do
	shift
	case $mpf_next in
	keep)
		mpf_next=
		set -- "$@" "$mpf_a"
		continue
		;;
	drop)
		mpf_next=
		mpf_tell dropped "$mpf_option $mpf_a"
		continue
		;;
	language)
		mpf_next= mpf_language=$mpf_a
		[ "$mpf_language" != none ] || mpf_language=
		set -- "$@" "$mpf_a"
		continue
		;;
	symbol)
		mpf_next=
		set -- "$@" "-Wl,-u,$mpf_a"
		continue
		;;
	path)
		mpf_next=
		if mpf_directory "$mpf_option " "$mpf_a"; then set -- "$@" "$mpf_option" "$mpf_a"; fi
		continue
		;;
	file)
		mpf_next=
		mpf_library "$mpf_option " "$mpf_a"
		set -- "$@" "$mpf_a"
		continue
		;;
	linker)
		mpf_next=
		mpf_a=-Wl,$mpf_a
		;;
	esac
	case $mpf_a in
	# Arguments that have another one behind them, which is not to be read as an option.
	-o | -D | -U | -MF | -MT | -MQ | -Xclang | -Xassembler | -Xpreprocessor | -framework)
		mpf_next=keep
		set -- "$@" "$mpf_a"
		;;
	-include | -imacros)
		mpf_next=file mpf_option=$mpf_a
		set -- "$@" "$mpf_a"
		;;
	-x)
		mpf_next=language
		set -- "$@" "$mpf_a"
		;;
	-u) mpf_next=symbol ;;
	-target | --target | -specs | --specs | --param | -aux-info | -dumpbase | -dumpdir)
		mpf_next=drop mpf_option=$mpf_a
		;;
	-I | -L | -isystem | -idirafter | -iquote | -isysroot | --sysroot | -B | --include-directory | --library-directory)
		mpf_next=path mpf_option=$mpf_a
		;;
	-I*) if mpf_directory -I "${mpf_a#-I}"; then set -- "$@" "$mpf_a"; fi ;;
	-L*) if mpf_directory -L "${mpf_a#-L}"; then set -- "$@" "$mpf_a"; fi ;;
	-isystem*) if mpf_directory -isystem "${mpf_a#-isystem}"; then set -- "$@" "$mpf_a"; fi ;;
	-idirafter*) if mpf_directory -idirafter "${mpf_a#-idirafter}"; then set -- "$@" "$mpf_a"; fi ;;
	-iquote?*) if mpf_directory -iquote "${mpf_a#-iquote}"; then set -- "$@" "$mpf_a"; fi ;;
	-B/*) if mpf_directory -B "${mpf_a#-B}"; then set -- "$@" "$mpf_a"; fi ;;
	--sysroot=* | --include-directory=* | --library-directory=*)
		if mpf_directory "${mpf_a%%=*}=" "${mpf_a#*=}"; then set -- "$@" "$mpf_a"; fi
		;;
	# The linker's.
	-Xlinker) mpf_next=linker ;;
	-Wl,*)
		mpf_rest_of_list=${mpf_a#-Wl,},
		mpf_kept=
		while [ -n "$mpf_rest_of_list" ]; do
			mpf_flushed=
			mpf_linker "${mpf_rest_of_list%%,*}"
			mpf_rest_of_list=${mpf_rest_of_list#*,}
			if [ -n "$mpf_flushed" ]; then
				# zig knows no -l inside of a list.
				[ -z "$mpf_kept" ] || set -- "$@" "-Wl$mpf_kept"
				set -- "$@" "$mpf_linked"
				mpf_kept=
			fi
		done
		[ -z "$mpf_kept" ] || set -- "$@" "-Wl$mpf_kept"
		;;
	# The target is ours to say. A tuning only is dropped, a CPU is said in zig's words.
	--target=* | -target=* | -mtune=*) mpf_tell dropped "$mpf_a" ;;
	# Protections and fixes that zig does not have; what is in the files that they name is not known.
	-fhardened | -fharden-* | -mfix-cortex-a53-835769 | -specs=* | --specs=*) mpf_tell lost "$mpf_a" ;;
	-march=* | -mcpu=*)
		mpf_cpu "${mpf_a#*=}"
		if [ -n "$mpf_said" ]; then
			[ "$mpf_said" = "${mpf_a#*=}" ] || mpf_tell translated "$mpf_a" "-mcpu=$mpf_said"
			mpf_mcpu=-mcpu=$mpf_said
		else
			mpf_tell dropped "$mpf_a"
		fi
		;;
	-fcf-protection* | -mshstk)
		case '@ARCH@' in
		x86 | x86_64) set -- "$@" "$mpf_a" ;;
		*) mpf_tell dropped "$mpf_a" ;;
		esac
		;;
	-mabi=lp64) # GCC's default for aarch64, unknown to clang
		if [ '@ARCH@' = aarch64 ]; then mpf_tell dropped "$mpf_a"; else set -- "$@" "$mpf_a"; fi
		;;
	-Wp,-[DUI]*)
		mpf_rest_of_list=${mpf_a#-Wp,},
		mpf_tell translated "$mpf_a" "${mpf_a#-Wp,}"
		while [ -n "$mpf_rest_of_list" ]; do
			mpf_a=${mpf_rest_of_list%%,*} mpf_rest_of_list=${mpf_rest_of_list#*,}
			case $mpf_a in
			-I*) mpf_directory -I "${mpf_a#-I}" || continue ;;
			esac
			set -- "$@" "$mpf_a"
		done
		;;
	# What is said of the other language, gcc warns of and leaves out: see below.
	-std=c++* | -std=gnu++* | --std=c++* | --std=gnu++*) mpf_cxx_std=-std=${mpf_a#*=} ;;
	-std=c* | -std=gnu* | -std=iso* | --std=c* | --std=gnu* | --std=iso*) mpf_c_std=-std=${mpf_a#*=} ;;
	-ansi) mpf_c_std=-std=c90 mpf_cxx_std=-std=c++98 ;;
	-fopenmp | -fopenmp=*) mpf_openmp "$mpf_a" ;;
	-lgomp | -lomp | -liomp5) if [ -n "${MPFORGE_OPENMP:-}" ]; then mpf_parallel=1; else set -- "$@" "$mpf_a"; fi ;;
	-mfix-cortex-a53-843419)
		mpf_tell translated "$mpf_a" -Wl,--fix-cortex-a53-843419
		mpf_carry --fix-cortex-a53-843419
		;;
	# GCC's own: optimisations and reports that change no meaning.
	-fopenmp-simd | -fno-openmp | -fno-openmp-simd | -ftree-vectorize | -fno-tree-vectorize | -ftree-slp-vectorize | -fno-tree-slp-vectorize) set -- "$@" "$mpf_a" ;;
	-flto=auto | -flto=jobserver | -flto=[0-9]* | -flto-* | -ffat-lto-objects | -fno-fat-lto-objects | \
		-fuse-linker-plugin | -fno-use-linker-plugin | -fplugin=* | -fplugin-arg-* | -ftree-* | -fno-tree-* | \
		-fipa-* | -fno-ipa-* | -fvar-tracking* | -fno-var-tracking* | -ftrampolines | -fno-trampolines | \
		-ftoplevel-reorder | -fno-toplevel-reorder | -fno-reorder-* | -freorder-* | -fgcse* | -fno-gcse* | -fdump-* | \
		-fabi-version=* | -fcompare-debug* | -flinker-output=* | --param=* | \
		-fgnu-unique | -fno-gnu-unique | -f*aggressive-loop-optimizations | -f*allow-store-data-races | -fanalyzer* | \
		-fno-analyzer* | -f*code-hoisting | -f*combine-stack-adjustments | -f*compare-elim | -f*conserve-stack | \
		-f*cprop-registers | -f*crossjumping | -f*cse-follow-jumps | -f*cse-skip-blocks | -f*dce | -f*dse | \
		-f*devirtualize-at-ltrans | -f*devirtualize-speculatively | -fdiagnostics-show-caret | \
		-fno-diagnostics-show-caret | -fdiagnostics-plain-output | -fdiagnostics-urls=* | -f*early-inlining | \
		-f*forward-propagate | -f*function-cse | -f*guess-branch-probability | -f*hoist-adjacent-loads | \
		-f*if-conversion | -f*if-conversion2 | -f*indirect-inlining | -f*inline-atomics | -fira-* | -fno-ira-* | \
		-f*isolate-erroneous-paths-* | -f*lifetime-dse* | -f*limit-function-alignment | -flive-patching* | \
		-f*live-range-shrinkage | -floop-* | -fno-loop-* | -f*lra-remat | -fmem-report* | -f*move-loop-* | -fopt-info* | \
		-f*optimize-strlen | -f*partial-inlining | -f*peephole | -f*peephole2 | -f*predictive-commoning | \
		-f*printf-return-value | -fprofile-partial-training | -fprofile-reorder-functions | -fprofile-update=* | -free | \
		-fno-ree | -f*rerun-cse-after-loop | -fsched-* | -fno-sched-* | -fsched2-* | -f*schedule-fusion | \
		-f*section-anchors | -fsel-sched-* | -f*selective-scheduling* | -f*shrink-wrap* | -f*cost-model=* | \
		-f*split-ivs-in-unroller | -f*split-loops | -f*split-paths | -f*split-wide-types* | -f*ssa-* | -f*stdarg-opt | \
		-f*stack-reuse=* | -fno-stack-limit | -fstats | -f*store-merging | -f*strict-volatile-bitfields | -f*thread-jumps | \
		-f*version-loops-for-strides | -f*vpt | -f*unconstrained-commons | -f*unroll-completely-grow-size | \
		-f*canonical-system-headers | -fcallgraph-info* | -fmax-include-depth=* | -ftabstop=* | \
		-ftrack-macro-expansion* | -fprofile-prefix-map=* | -fworking-directory | -fno-working-directory | \
		-fabi-compat-version=* | -fconcepts | -fconcepts-* | -fconstexpr-ops-limit=* | -fconstexpr-loop-limit=* | \
		-fconstexpr-cache-depth=* | -f*ext-numeric-literals | -f*extern-tls-init | -f*implicit-inline-templates | \
		-f*pretty-templates | -fno-enforce-eh-specs | -fnew-inheriting-ctors | -f*nonansi-builtins | -fvtable-verify=none | \
		-f*fp-int-builtin-inexact | -fdeclone-ctor-dtor | -fno-declone-ctor-dtor | -f*strong-eval-order* | \
		-mtls-dialect=* | -mno-fix-cortex-* | -mpc-relative-literal-loads | -m*low-precision-* | \
		-mtls-size=* | -m*accumulate-outgoing-args | -m*align-stringops | -m*avx256-split-unaligned-* | -mprefer-avx128 | \
		-m*push-args | -minline-* | -mno-inline-* | -mmemcpy-strategy=* | -mmemset-strategy=* | -mneeded | -mstv | -mno-stv | \
		-mno-fancy-math-387 | -mglibc | -m8bit-idiv)
		mpf_tell dropped "$mpf_a"
		;;
	# Questions that zig answers with an error, or with the host's name for the target.
	-dumpmachine | -print-multiarch)
		printf '%s\n' '@TRIPLE@'
		exit 0
		;;
	-dumpversion | -dumpfullversion | -print-search-dirs | -print-prog-name=* | -print-file-name=* | -print-libgcc-file-name)
		mpf_plain=1
		set -- "$@" "$mpf_a"
		;;
	-)
		mpf_compiles=1 mpf_inputs=1
		[ -n "$mpf_language" ] || set -- "$@" -x '@LANGUAGE@'
		case ${mpf_language:-@LANGUAGE@} in c++*) mpf_cxx=1 ;; *) mpf_c=1 ;; esac
		set -- "$@" -
		;;
	-O*)
		mpf_optimised=1
		set -- "$@" "$mpf_a"
		;;
	-c | -E | -S | -M | -MM | -fsyntax-only | -r)
		mpf_compiles=1 mpf_objects=1
		set -- "$@" "$mpf_a"
		;;
	-x*)
		mpf_compiles=1 mpf_language=${mpf_a#-x}
		[ "$mpf_language" != none ] || mpf_language=
		set -- "$@" "$mpf_a"
		;;
	*.c | *.i | *.C | *.cc | *.cp | *.cpp | *.cxx | *.c++ | *.ii | *.s | *.S)
		mpf_compiles=1 mpf_inputs=1 mpf_sources=$mpf_sources$mpf_a$mpf_line_end
		case ${mpf_language:-@LANGUAGE@:$mpf_a} in
		c++* | *.C | *.cc | *.cp | *.cpp | *.cxx | *.c++ | *.ii) mpf_cxx=1 ;;
		*.s | *.S | assembler*) ;;
		*) mpf_c=1 ;;
		esac
		set -- "$@" "$mpf_a"
		;;
	-l*)
		case "${MPFORGE_LIBRARIES:-} " in *"/lib${mpf_a#-l}.a "*) mpf_given=1 ;; esac
		set -- "$@" "$mpf_a"
		;;
	*.so | *.so.[0-9]* | *.a | *.o | *.lo | *.obj)
		mpf_inputs=1
		case " ${MPFORGE_LIBRARIES:-} " in *" $mpf_a "*) mpf_given=1 ;; esac
		mpf_library '' "$mpf_a"
		set -- "$@" "$mpf_a"
		;;
	*) set -- "$@" "$mpf_a" ;;
	esac
done

if [ -n "$mpf_refused" ]; then
	printf '%s: error: mpforge:%s is of this host, but the call builds for %s.\n  the call: %s\n' \
		"${0##*/}" "$mpf_refused" '@TRIPLE@' "$mpf_call" >&2
	exit 1
fi
# A standard of the other language is left out, as gcc does.
if [ -n "$mpf_c_std" ]; then
	if [ -n "$mpf_c" ]; then set -- "$@" "$mpf_c_std"; else mpf_tell dropped "$mpf_c_std"; fi
fi
if [ -n "$mpf_cxx_std" ]; then
	if [ -n "$mpf_cxx" ]; then set -- "$@" "$mpf_cxx_std"; else mpf_tell dropped "$mpf_cxx_std"; fi
fi
if [ "$*" = -v ]; then mpf_plain=1; fi
if [ -n "$mpf_plain" ]; then exec "$MPFORGE_ZIG" @MODE@ -target '@PLAIN_TARGET@' "$@"; fi

# Of a link alone, zig would compile its own libraries for this CPU, which may be newer than the target's.
if [ -n "$mpf_mcpu" ] && [ -n "$mpf_compiles" ]; then set -- "$@" "$mpf_mcpu"; fi
# A link alone takes zig's C library and runtime from the mode that was made beforehand.
if [ -z "$mpf_optimised$mpf_compiles" ]; then set -- "$@" -O3; fi
if [ -z "${MPFORGE_DEBUG:-}" ]; then
	# zig's own libraries bring debug information with the paths of this machine: -s keeps it out.
	if [ -z "$mpf_objects" ]; then set -- "$@" -g0 -Wl,-s; else set -- "$@" -g0; fi
fi
for mpf_folder in @LIBRARIES@; do # the image's own come last
	[ ! -d "$mpf_folder" ] || set -- "$@" "-L$mpf_folder"
done
if [ -n "$mpf_parallel" ]; then
	set -- "$@" -fopenmp=libomp -isystem "$MPFORGE_OPENMP/include"
	[ -n "$mpf_objects" ] || set -- "$@" "-L$MPFORGE_OPENMP/lib" -lomp
fi
if [ -z "$mpf_objects" ] && [ -n "$mpf_inputs" ]; then
	# A static library needs others, which not every build knows; what is not needed is not linked.
	[ -z "$mpf_given" ] || set -- "$@" $MPFORGE_LIBRARIES
@MORE@	# GNU ld's defaults, not zig's: a version script may name what is not there, and a section stays that is
	# known by its begin and end only (a list of plugins).
	[ -z "$mpf_script" ] || set -- -Wl,--undefined-version "$@"
	case ${mpf_collects}@LANGUAGE@ in
	c) set -- "$@" -Wl,--no-gc-sections ;;
	*) # libc++ is too large to be kept whole
		if mpf_find_space "$@"; then set -- "$@" -Wl,--no-gc-sections; else mpf_carry -z nostart-stop-gc; fi
		;;
	esac
else
	mpf_carried=
fi
@OWN@set -- @MODE@ -target '@TARGET@' @FLAGS@ @INCLUDE@ \
	${mpf_step:+"-ffile-prefix-map=$mpf_step=."} \
	"-ffile-prefix-map=$mpf_view=/mpforge/view" "-ffile-prefix-map=${MPFORGE_ZIG%/*}=/mpforge/zig" "$@"
[ -z "$mpf_carried" ] || mpf_link_again "$@"
case $mpf_objects${mpf_sources%"$mpf_line_end"} in
1*"$mpf_line_end"*) mpf_compile_each "$@" ;;
esac
exec "$MPFORGE_ZIG" "$@"
