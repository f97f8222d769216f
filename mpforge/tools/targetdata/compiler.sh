#!/bin/sh
# A compiler driver for @TRIPLE@: zig, called the way that gcc is. Written by mpforge.
#
# It gives zig the target, and takes or says otherwise what zig would refuse. Whatever is not passed on
# as it came is told in $MPFORGE_WRAPPER_LOG, a line each: what happened, to what, what was said
# instead, parted by tabs. Needs MPFORGE_ZIG and ZIG_GLOBAL_CACHE_DIR; no other program is started.

: "${MPFORGE_ZIG:?is not set: this compiler runs within a step of mpforge}"
: "${ZIG_GLOBAL_CACHE_DIR:?is not set: this compiler runs within a step of mpforge}"
case $0 in */*) mpf_view=${0%/*}/.. ;; *) mpf_view=.. ;; esac
mpf_step=${MPFORGE_STEP_DIR:-}

mpf_optimised= mpf_compiles= mpf_objects= mpf_language= mpf_plain= # what the call is, found on the way
mpf_next=    # what the next argument is: see the first `case` below
mpf_link=    # the same for the next argument of the linker
mpf_kept=    # linker arguments of one list that stay, each after a comma

mpf_tell() { # WHAT ARGUMENT [INSTEAD]
	[ -z "${MPFORGE_WRAPPER_LOG:-}" ] || printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$MPFORGE_WRAPPER_LOG"
}

mpf_refuse() { # OPTION PATH: a directory of this machine can't serve another one
	mpf_tell refused "$1$2"
	printf '%s: error: mpforge: %s%s is a directory of this host, but the call builds for %s.\n' \
		"${0##*/}" "$1" "$2" '@TRIPLE@' >&2
	printf '  the call: %s\n' "$mpf_call" >&2
	printf '  -> make the project find its headers and libraries without naming the host'\''s\n' >&2
	exit 1
}

mpf_directory() { # OPTION PATH: false where the option is not to be passed on
	[ -n '@CROSS@' ] || return 0
	case $2 in
	"$mpf_step"/*) [ -z "$mpf_step" ] || return 0 ;;
	esac
	case $2 in
	# The view's own Python.h is found first.
	/usr/include/python[23]* | /usr/local/include/python[23]* | /usr/include/*/python[23]*)
		mpf_tell dropped "$1$2"
		return 1
		;;
	/usr/include | /usr/include/* | /usr/local/include | /usr/local/include/*) mpf_refuse "$1" "$2" ;;
	/usr/lib | /usr/lib/* | /usr/lib64 | /usr/lib64/* | /usr/lib32 | /usr/lib32/*) mpf_refuse "$1" "$2" ;;
	/lib | /lib/* | /lib64 | /lib64/* | /usr/local/lib | /usr/local/lib/*) mpf_refuse "$1" "$2" ;;
	esac
}

mpf_underscored() { # NAME: in $mpf_said, with _ for -
	mpf_said= mpf_rest=$1
	while :; do
		case $mpf_rest in
		*-*) mpf_said=$mpf_said${mpf_rest%%-*}_ mpf_rest=${mpf_rest#*-} ;;
		*) break ;;
		esac
	done
	mpf_said=$mpf_said$mpf_rest
}

# What GCC calls a CPU or an architecture, in zig's words: in $mpf_said, empty where there is none.
mpf_cpu() { # VALUE
	case '@ARCH@:'$1 in
	*:native | *:generic | arm:armv[67]* | riscv*:rv* | loongarch64:loongarch64)
		mpf_said=
		return
		;;
	x86*:core-avx2)
		mpf_said=haswell
		return
		;;
	powerpc*:power*)
		mpf_said=pwr${1#power}
		return
		;;
	aarch64:armv8-a*) mpf_cpu_name=generic ;;
	aarch64:armv9-a*) mpf_cpu_name=generic+v9a ;;
	aarch64:armv[89].[0-9]-a*)
		mpf_said=${1#armv} mpf_said=${mpf_said%%-*}
		mpf_cpu_name=generic+v${mpf_said%.*}_${mpf_said#*.}a
		;;
	*)
		mpf_underscored "${1%%+*}"
		mpf_cpu_name=$mpf_said
		;;
	esac
	case $1 in
	*+*) mpf_extensions=${1#*+}+ ;;
	*) mpf_extensions= ;;
	esac
	while [ -n "$mpf_extensions" ]; do
		mpf_underscored "${mpf_extensions%%+*}"
		mpf_extensions=${mpf_extensions#*+}
		case $mpf_said in
		crypto) mpf_cpu_name=$mpf_cpu_name+aes+sha2 ;;
		fp16) mpf_cpu_name=$mpf_cpu_name+fullfp16 ;;
		simd) mpf_cpu_name=$mpf_cpu_name+neon ;;
		fp) mpf_cpu_name=$mpf_cpu_name+fp_armv8 ;;
		rdma) mpf_cpu_name=$mpf_cpu_name+rdm ;;
		memtag) mpf_cpu_name=$mpf_cpu_name+mte ;;
		no*) mpf_cpu_name=$mpf_cpu_name-${mpf_said#no} ;;
		*) mpf_cpu_name=$mpf_cpu_name+$mpf_said ;;
		esac
	done
	mpf_said=$mpf_cpu_name
}

# One argument of the linker: it joins $mpf_kept, or it is dropped.
mpf_linker() { # ARGUMENT
	case $mpf_link in
	drop)
		mpf_link=
		mpf_tell dropped "-Wl,$mpf_option,$1"
		return
		;;
	keep)
		mpf_link= mpf_kept=$mpf_kept,$1
		return
		;;
	undefined)
		mpf_link= mpf_kept=$mpf_kept,-u,$1
		mpf_tell translated "-Wl,--undefined,$1" "-Wl,-u,$1"
		return
		;;
	path)
		mpf_link=
		if mpf_directory -Wl,-L "$1"; then mpf_kept=$mpf_kept,-L,$1; fi
		return
		;;
	z)
		mpf_link=
		case $1 in
		combreloc | ibt | muldefs | nocombreloc | nodlopen | noseparate-code | nostart-stop-gc | \
			pack-relative-relocs | separate-code | shstk | start-stop-gc | text | x86-64-*)
			mpf_tell dropped "-Wl,-z,$1"
			;;
		*) mpf_kept=$mpf_kept,-z,$1 ;;
		esac
		return
		;;
	esac
	mpf_option=$1
	case $1 in
	-z) mpf_link=z ;;
	--exclude-libs | -exclude-libs | -Map | --Map | --unresolved-symbols | -plugin | --plugin | -plugin-opt | --plugin-opt | -m)
		mpf_link=drop
		;;
	--undefined) mpf_link=undefined ;;
	-h)
		mpf_tell translated -Wl,-h -Wl,-soname
		mpf_kept=$mpf_kept,-soname mpf_link=keep
		;;
	-rpath | --rpath | -R | -soname | --soname | -u | -T | --version-script | --wrap | -e | --entry | -dynamic-linker | --dynamic-linker | -I)
		mpf_kept=$mpf_kept,$1 mpf_link=keep
		;;
	-L | --library-path) mpf_link=path ;;
	-L*) if mpf_directory -Wl,-L "${1#-L}"; then mpf_kept=$mpf_kept,$1; fi ;;
	--library-path=*) if mpf_directory -Wl,-L "${1#*=}"; then mpf_kept=$mpf_kept,-L,${1#*=}; fi ;;
	-rpath-link | --rpath-link) mpf_link=drop ;;
	--undefined=*)
		mpf_tell translated "-Wl,$1" "-Wl,-u,${1#*=}"
		mpf_kept=$mpf_kept,-u,${1#*=}
		;;
	--Bsymbolic) mpf_kept=$mpf_kept,-Bsymbolic ;;
	-Bsymbolic-* | --Bsymbolic-* | --exclude-libs=* | -exclude-libs=* | --icf=* | -icf=* | -Map=* | --Map=* | \
		--unresolved-symbols=* | --push-state | --pop-state | -push-state | -pop-state | \
		-O[0-9]* | -rpath-link=* | --rpath-link=* | -X | --discard-locals | --warn-common | --demangle* | --no-demangle | \
		--no-warn-mismatch | --copy-dt-needed-entries | --no-copy-dt-needed-entries | --add-needed | --no-add-needed | \
		--stats | --verbose | --verbose=* | -t | --trace | --cref | --relax | --no-relax | \
		--no-keep-memory | --reduce-memory-overheads | --package-metadata=* | --no-warnings | \
		--threads | --threads=* | --no-threads | --thread-count=* | --gdb-index | --lto-* | -plugin-opt=* | --plugin-opt=* | \
		--print-memory-usage | --warn-unresolved-symbols | --warn-once | --warn-section-align | --warn-shared-textrel | --no-warn-rwx-segments | \
		--no-warn-execstack | --long-plt | --no-ld-generated-unwind-info | --ld-generated-unwind-info | --fix-cortex-a53-* | --no-fix-cortex-a53-*)
		mpf_tell dropped "-Wl,$1"
		;;
	-l*) mpf_flushed=1 mpf_library=$1 ;;
	*) mpf_kept=$mpf_kept,$1 ;;
	esac
}

mpf_call=$0
for mpf_a do mpf_call="$mpf_call $mpf_a"; done

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
		mpf_next= mpf_language=1
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
	linker)
		mpf_next=
		mpf_a=-Wl,$mpf_a
		;;
	esac
	case $mpf_a in
	# Arguments that have another one behind them, which is not to be read as an option.
	-o | -D | -U | -include | -imacros | -MF | -MT | -MQ | -Xclang | -Xassembler | -Xpreprocessor | -framework)
		mpf_next=keep
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
				set -- "$@" "$mpf_library"
				mpf_kept=
			fi
		done
		[ -z "$mpf_kept" ] || set -- "$@" "-Wl$mpf_kept"
		;;
	# The target is ours to say. A tuning only is dropped, a CPU is said in zig's words.
	--target=* | -target=* | -specs=* | --specs=* | -mtune=*) mpf_tell dropped "$mpf_a" ;;
	-march=* | -mcpu=*)
		mpf_cpu "${mpf_a#*=}"
		if [ -n "$mpf_said" ]; then
			[ "$mpf_said" = "${mpf_a#*=}" ] || mpf_tell translated "$mpf_a" "-mcpu=$mpf_said"
			set -- "$@" "-mcpu=$mpf_said"
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
			set -- "$@" "${mpf_rest_of_list%%,*}"
			mpf_rest_of_list=${mpf_rest_of_list#*,}
		done
		;;
	# GCC's own: optimisations and reports that change no meaning.
	-ftree-vectorize | -fno-tree-vectorize | -ftree-slp-vectorize | -fno-tree-slp-vectorize) set -- "$@" "$mpf_a" ;;
	-flto=auto | -flto=jobserver | -flto=[0-9]* | -flto-* | -ffat-lto-objects | -fno-fat-lto-objects | \
		-fuse-linker-plugin | -fno-use-linker-plugin | -fplugin=* | -fplugin-arg-* | -ftree-* | -fno-tree-* | \
		-fipa-* | -fno-ipa-* | -fvar-tracking* | -fno-var-tracking* | -ftrampolines | -fno-trampolines | \
		-ftoplevel-reorder | -fno-toplevel-reorder | -fno-reorder-* | -freorder-* | -fgcse* | -fno-gcse* | -fdump-* | \
		-fabi-version=* | -fcompare-debug* | -flinker-output=* | --param=*)
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
		mpf_compiles=1
		[ -n "$mpf_language" ] || set -- "$@" -x '@LANGUAGE@'
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
	-x* | *.c | *.C | *.cc | *.cp | *.cpp | *.cxx | *.c++ | *.s | *.S)
		mpf_compiles=1
		set -- "$@" "$mpf_a"
		;;
	*) set -- "$@" "$mpf_a" ;;
	esac
done

if [ "$*" = -v ]; then mpf_plain=1; fi
if [ -n "$mpf_plain" ]; then exec "$MPFORGE_ZIG" @MODE@ -target '@PLAIN_TARGET@' "$@"; fi

# A link alone takes zig's C library and runtime from the mode that was made beforehand.
if [ -z "$mpf_optimised$mpf_compiles" ]; then set -- "$@" -O3; fi
if [ -z "${MPFORGE_DEBUG:-}" ]; then
	# zig's own libraries bring debug information with the paths of this machine: -s keeps it out.
	if [ -z "$mpf_objects" ]; then set -- "$@" -g0 -Wl,-s; else set -- "$@" -g0; fi
fi
exec "$MPFORGE_ZIG" @MODE@ -target '@TARGET@' @FLAGS@ @INCLUDE@ \
	${mpf_step:+"-ffile-prefix-map=$mpf_step=."} \
	"-ffile-prefix-map=$mpf_view=/mpforge/view" "-ffile-prefix-map=${MPFORGE_ZIG%/*}=/mpforge/zig" "$@"
