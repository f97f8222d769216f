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

mpf_tell() { # WHAT ARGUMENT [INSTEAD [DIRECTORY]]
	[ -z "${MPFORGE_WRAPPER_LOG:-}" ] || printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${3:-}" "${4:-}" >>"$MPFORGE_WRAPPER_LOG"
}

# Whether a path is the build's own: in the step's directory, or among the tools of the store. What the
# name does not show (a link, "..") is looked at where it leads to. False for what is not there.
mpf_ours() { # PATH
	case $1 in
	*/../* | */.. | ../* | ..) ;;
	"${0%/bin/*}"/* | "${MPFORGE_ZIG%/*}"/* | */rustlib/*) return 0 ;;
	"$mpf_step"/*) [ -z "$mpf_step" ] || mpf_has_link "$mpf_step" "${1#"$mpf_step"/}" || return 0 ;;
	/*) ;;
	*)
		case ${mpf_step:+$PWD/} in
		'') mpf_has_link . "$1" || return 0 ;;
		"$mpf_step"/*) mpf_has_link "$mpf_step" "${PWD#"$mpf_step"}/$1" || return 0 ;;
		esac
		;;
	esac
	mpf_place=$1
	if [ ! -d "$1" ]; then
		case $1 in */*) mpf_place=${1%/*} ;; *) mpf_place=. ;; esac
		if [ -L "$1" ]; then # which nothing but a program can follow to a file
			mpf_place=$(readlink -f -- "$1" 2>/dev/null) || return 1
			mpf_place=${mpf_place%/*}
		fi
	fi
	mpf_place=$(cd -P -- "${mpf_place:-/}" 2>/dev/null && pwd -P) || return 1
	mpf_tools=$(cd -P -- "$mpf_view/../.." && pwd -P)
	case $mpf_tools in */tools) ;; *) mpf_tools=$(cd -P -- "$mpf_view" && pwd -P) ;; esac
	case $mpf_place/ in "$mpf_tools"/*) return 0 ;; esac
	mpf_list=${MPFORGE_INSTALLED:+$MPFORGE_INSTALLED:} # what the build environment is allowed of the host
	while [ -n "$mpf_list" ]; do
		if mpf_is_below "${mpf_list%%:*}"; then return 0; fi
		mpf_list=${mpf_list#*:}
	done
	[ -n "$mpf_step" ] && mpf_is_below "$mpf_step"
}

mpf_has_link() { # DIRECTORY PATH: whether a part of the path, from this directory on, is a link
	mpf_folder=$1 mpf_rest=$2/
	while [ -n "$mpf_rest" ]; do
		mpf_folder=$mpf_folder/${mpf_rest%%/*} mpf_rest=${mpf_rest#*/}
		if [ -L "$mpf_folder" ]; then return 0; fi
	done
	return 1
}

mpf_is_below() { # DIRECTORY: whether $mpf_place is this directory or lies in it
	mpf_folder=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1
	case $mpf_place/ in "$mpf_folder"/*) return 0 ;; esac
	return 1
}

# Whether a directory has a file of one of these names.
mpf_has() { # DIRECTORY NAMES...
	mpf_folder=$1
	shift
	for mpf_name do
		for mpf_file in "$mpf_folder"/$mpf_name; do [ ! -e "$mpf_file" ] || return 0; done
	done
	return 1
}

mpf_refuse() { # OPTION PATH: what is this host's can't serve another one; the call fails at its end
	mpf_refused="$mpf_refused $1$2"
	mpf_tell refused "$1$2" "$mpf_call" "$PWD"
}

mpf_directory() { # OPTION PATH: false where the option is not to be passed on
	[ -n '@CROSS@' ] || return 0
	mpf_ours "$2" && return 0
	case $1$2 in
	# The view's own Python.h is found first, and the host's libpython is never linked.
	*/include/python[23]* | */include/*/python[23]*) ;;
	*-L/usr/* | *-L/lib*) if mpf_has "$2" 'lib*.so*' 'lib*.a'; then mpf_refuse "$1" "$2"; fi ;;
	*-L*) if ! mpf_has "$2" 'libpython3*' && mpf_has "$2" 'lib*.so*' 'lib*.a'; then mpf_refuse "$1" "$2"; fi ;;
	*) if mpf_has "$2" '*'; then mpf_refuse "$1" "$2"; fi ;;
	esac
	case "$mpf_refused " in *" $1$2 "*) ;; *) mpf_tell dropped "$1$2" ;; esac
	return 1
}

mpf_library() { # OPTION PATH: a library or object by its file's name
	[ -z '@CROSS@' ] || mpf_ours "$2" || [ ! -e "$2" ] || mpf_refuse "$1" "$2"
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
	-l*) mpf_flushed=1 mpf_linked=$1 ;;
	*.so | *.so.[0-9]* | *.a | *.o)
		mpf_library -Wl, "$1"
		mpf_kept=$mpf_kept,$1
		;;
	*) mpf_kept=$mpf_kept,$1 ;;
	esac
}

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
			mpf_a=${mpf_rest_of_list%%,*} mpf_rest_of_list=${mpf_rest_of_list#*,}
			case $mpf_a in
			-I*) mpf_directory -I "${mpf_a#-I}" || continue ;;
			esac
			set -- "$@" "$mpf_a"
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
	*.so | *.so.[0-9]* | *.a | *.o)
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
if [ "$*" = -v ]; then mpf_plain=1; fi
if [ -n "$mpf_plain" ]; then exec "$MPFORGE_ZIG" @MODE@ -target '@PLAIN_TARGET@' "$@"; fi

# A link alone takes zig's C library and runtime from the mode that was made beforehand.
if [ -z "$mpf_optimised$mpf_compiles" ]; then set -- "$@" -O3; fi
if [ -z "${MPFORGE_DEBUG:-}" ]; then
	# zig's own libraries bring debug information with the paths of this machine: -s keeps it out.
	if [ -z "$mpf_objects" ]; then set -- "$@" -g0 -Wl,-s; else set -- "$@" -g0; fi
fi
for mpf_folder in @LIBRARIES@; do # the image's own come last
	[ ! -d "$mpf_folder" ] || set -- "$@" "-L$mpf_folder"
done
exec "$MPFORGE_ZIG" @MODE@ -target '@TARGET@' @FLAGS@ @INCLUDE@ \
	${mpf_step:+"-ffile-prefix-map=$mpf_step=."} \
	"-ffile-prefix-map=$mpf_view=/mpforge/view" "-ffile-prefix-map=${MPFORGE_ZIG%/*}=/mpforge/zig" "$@"
