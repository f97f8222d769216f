# The linker's words, and a link by zig's linker itself: a part of compiler.sh.

# One argument of the linker: it joins $mpf_kept, it is dropped, or it is carried to zig's linker, which
# knows more than zig does (mpf_link_again). docs/compilers.md has the table.
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
	carry)
		mpf_link=
		mpf_carry "$mpf_option" "$1"
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
		# Only the layout; marks of x86; what zig's linker does by itself; what only a new glibc can load.
		combreloc | nocombreloc | separate-code | noseparate-code | ibt | shstk | x86-64-* | text | \
			start-stop-gc | nostart-stop-gc | pack-relative-relocs | nopack-relative-relocs)
			mpf_tell dropped "-Wl,-z,$1"
			;;
		defs | undefs | notext | now | lazy | relro | norelro | noexecstack | nodelete | origin | nocopyreloc | \
			max-page-size=* | common-page-size=* | stack-size=*)
			mpf_kept=$mpf_kept,-z,$1
			;;
		*) mpf_carry -z "$1" ;;
		esac
		return
		;;
	esac
	mpf_option=$1
	case $1 in
	-z) mpf_link=z ;;
	-z?*)
		mpf_link=z
		mpf_linker "${1#-z}"
		;;
	-plugin | --plugin | -plugin-opt | --plugin-opt | -m | -A | -mllvm | -rpath-link | --rpath-link | --retain-symbols-file | \
		-G | -a | -assert)
		mpf_link=drop
		;;
	--exclude-libs | -exclude-libs | -Map | --Map | --unresolved-symbols | --dynamic-list | --export-dynamic-symbol | \
		--export-dynamic-symbol-list | --defsym | -defsym | -init | -fini | -y | -F | -f | --section-start | \
		--require-defined | --sort-section | --just-symbols | --image-base | --undefined-glob | -Ttext | -Tdata | -Tbss)
		mpf_link=carry
		;;
	--undefined) mpf_link=undefined ;;
	-h)
		mpf_tell translated -Wl,-h -Wl,-soname
		mpf_kept=$mpf_kept,-soname mpf_link=keep
		;;
	--version-script)
		mpf_script=1
		mpf_kept=$mpf_kept,$1 mpf_link=keep
		;;
	--version-script=*)
		mpf_script=1
		mpf_kept=$mpf_kept,$1
		;;
	-rpath | --rpath | -R | -soname | --soname | -u | -T | --wrap | -e | --entry | -dynamic-linker | --dynamic-linker | -I)
		mpf_kept=$mpf_kept,$1 mpf_link=keep
		;;
	-L | --library-path) mpf_link=path ;;
	-L*) if mpf_directory -Wl,-L "${1#-L}"; then mpf_kept=$mpf_kept,$1; fi ;;
	--library-path=*) if mpf_directory -Wl,-L "${1#*=}"; then mpf_kept=$mpf_kept,-L,${1#*=}; fi ;;
	--undefined=*)
		mpf_tell translated "-Wl,$1" "-Wl,-u,${1#*=}"
		mpf_kept=$mpf_kept,-u,${1#*=}
		;;
	# GNU ld takes a long option with one dash too, and libtool writes some so.
	-version-script | -version-script=* | -no-undefined | -as-needed | -no-as-needed | -whole-archive | \
		-no-whole-archive | -gc-sections | -no-gc-sections | -start-group | -end-group | -hash-style=* | \
		-enable-new-dtags | -disable-new-dtags | -dynamic-list | -dynamic-list=* | -retain-symbols-file)
		mpf_tell translated "-Wl,$1" "-Wl,-$1"
		mpf_linker "-$1"
		;;
	--Bsymbolic) mpf_kept=$mpf_kept,-Bsymbolic ;;
	# What holds for the libraries behind it.
	--push-state | -push-state) mpf_states=$mpf_state$mpf_states ;;
	--pop-state | -pop-state) mpf_pop_state ;;
	--as-needed | --no-as-needed | --whole-archive | --no-whole-archive | -Bstatic | -Bdynamic | -static | -dn | -dy | \
		-non_shared | -call_shared)
		mpf_set_state "$1"
		mpf_kept=$mpf_kept,$1
		;;
	--gc-sections) mpf_collects=1 mpf_kept=$mpf_kept,$1 ;;
	--no-gc-sections) mpf_collects= mpf_kept=$mpf_kept,$1 ;;
	--fix-cortex-a53-835769 | --package-metadata=*) mpf_tell lost "-Wl,$1" ;;
	-shared | -Bshareable) mpf_flushed=1 mpf_linked=-shared ;;
	-pie | --pic-executable) mpf_flushed=1 mpf_linked=-pie ;;
	--warn-unresolved-symbols) mpf_carry "$1" ;;
	-Ttext=* | -Tdata=* | -Tbss=* | -Ttext-segment=*) mpf_carry "$1" ;;
	# Speed of the linker, size of the result, words for people; and the default of zig's linker.
	-O[0-9]* | --icf=* | -icf=* | -rpath-link=* | --rpath-link=* | -X | --discard-locals | --discard-none | -d | \
		--warn-* | --no-warn-* | --demangle* | --no-demangle | --copy-dt-needed-entries | \
		--no-copy-dt-needed-entries | --add-needed | --no-add-needed | --spare-dynamic-tags=* | --retain-symbols-file=* | \
		--stats | --verbose | --verbose=* | -t | --trace | --cref | --no-cref | -M | --print-map | --no-print-map | \
		--relax | --no-relax | --no-keep-memory | --reduce-memory-overheads | --hash-size=* | \
		--no-warnings | -w | --threads | --threads=* | --no-threads | --thread-count=* | --gdb-index | --no-gdb-index | \
		--lto-* | -plugin-opt=* | --plugin-opt=* | -plugin=* | --plugin=* | --print-memory-usage | --long-plt | \
		--no-ld-generated-unwind-info | --ld-generated-unwind-info | --check-sections | --no-check-sections | \
		--ctors-in-init-array | --no-build-id | --rosegment | --no-rosegment | --no-mmap-output-file | --no-omagic | \
		--secure-plt | --bss-plt | --orphan-handling=* | --unique | --no-type-check | -g | -m* | -EL | -EB | \
		-nostdlib | -qmagic | --no-fix-* | --error-limit=* | --no-define-common)
		mpf_tell dropped "-Wl,$1"
		;;
	-lgomp | -lomp | -liomp5)
		if [ -n "${MPFORGE_OPENMP:-}" ]; then mpf_parallel=1; else mpf_flushed=1 mpf_linked=$1; fi
		;;
	-l*) mpf_flushed=1 mpf_linked=$1 ;;
	# What zig knows by itself.
	-Bsymbolic | -soname=* | --soname=* | -rpath=* | --rpath=* | --wrap=* | -e=* | --entry=* | -dynamic-linker=* | \
		--dynamic-linker=* | --no-dynamic-linker | -T* | --start-group | --end-group | --enable-new-dtags | --disable-new-dtags | \
		--hash-style=* | --build-id | --build-id=* | --no-undefined | --no-undefined-version | --undefined-version | \
		--allow-shlib-undefined | --no-allow-shlib-undefined | --print-gc-sections | --export-dynamic | -export-dynamic | -E | \
		--image-base=* | -s | -S | -x | --strip-all | --strip-debug | --discard-all | --compress-debug-sections=* | \
		--eh-frame-hdr | --no-eh-frame-hdr | --fatal-warnings | --no-fatal-warnings | --color-diagnostics* | --version | -v | -V | --dependency-file=* | --sort-common* | \
		--sort-section=*)
		mpf_kept=$mpf_kept,$1
		;;
	'-(') mpf_kept=$mpf_kept,--start-group ;;
	'-)') mpf_kept=$mpf_kept,--end-group ;;
	-*) mpf_carry "$1" ;;
	*.so | *.so.[0-9]* | *.a | *.o)
		mpf_library -Wl, "$1"
		mpf_kept=$mpf_kept,$1
		;;
	*) mpf_kept=$mpf_kept,$1 ;;
	esac
}

mpf_carry() { # ARGUMENTS
	for mpf_rest do mpf_carried=$mpf_carried$mpf_rest$mpf_line_end; done
}

mpf_set_state() { # WORD
	mpf_rest=${mpf_state#?}
	case $1 in
	--as-needed) mpf_state=a$mpf_rest ;;
	--no-as-needed) mpf_state=-$mpf_rest ;;
	--whole-archive) mpf_state=${mpf_state%??}w${mpf_state#??} ;;
	--no-whole-archive) mpf_state=${mpf_state%??}-${mpf_state#??} ;;
	-Bstatic | -static | -dn | -non_shared) mpf_state=${mpf_state%?}s ;;
	*) mpf_state=${mpf_state%?}- ;;
	esac
}

mpf_pop_state() {
	[ -n "$mpf_states" ] || return 0
	mpf_rest=${mpf_states#???} mpf_state=${mpf_states%"$mpf_rest"} mpf_states=$mpf_rest
	case $mpf_state in a??) mpf_kept=$mpf_kept,--as-needed ;; *) mpf_kept=$mpf_kept,--no-as-needed ;; esac
	case $mpf_state in ?w?) mpf_kept=$mpf_kept,--whole-archive ;; *) mpf_kept=$mpf_kept,--no-whole-archive ;; esac
	case $mpf_state in ??s) mpf_kept=$mpf_kept,-Bstatic ;; *) mpf_kept=$mpf_kept,-Bdynamic ;; esac
}

# Whether there is a space in the linker's line, which zig shows without quotes: what it is in, in $mpf_said.
mpf_find_space() { # ARGUMENTS OF ZIG
	mpf_before=
	for mpf_said in "$ZIG_GLOBAL_CACHE_DIR" "${ZIG_LOCAL_CACHE_DIR:-$PWD}" "$@"; do
		case $mpf_before$mpf_said in
		-[DI]*) ;; # the compiler's
		*[[:space:]]*) return 0 ;;
		esac
		case $mpf_said in -D | -I | -isystem | -include) mpf_before=-I ;; *) mpf_before= ;; esac
	done
	return 1
}

# Link, and then again by the linker's own line, as zig shows it, and what zig would not take. The first
# time may fail for want of it.
mpf_link_again() { # ARGUMENTS OF ZIG
	set -f
	IFS=$mpf_line_end
	mpf_shown=
	for mpf_a in $mpf_carried; do mpf_shown="$mpf_shown $mpf_a"; done
	if mpf_find_space "$@"; then
		printf '%s: error: mpforge: the linker can not be given%s, because of the space in: %s\n' \
			"${0##*/}" "$mpf_shown" "$mpf_said" >&2
		exit 1
	fi
	mpf_tell carried "${mpf_shown# }"
	mpf_said=$(ZIG_VERBOSE_LINK=1 "$MPFORGE_ZIG" "$@" 2>&1)
	mpf_status=$? mpf_line= mpf_other=
	for mpf_a in $mpf_said; do
		case $mpf_a in
		'ld.lld -r '* | 'ar '*) ;; # a part of zig's own libraries
		'ld.lld '*) mpf_line=${mpf_a#ld.lld } ;;
		*) mpf_other=$mpf_other$mpf_a$mpf_line_end ;;
		esac
	done
	[ -n "$mpf_line" ] && [ "$mpf_status" != 0 ] || printf %s "$mpf_other" >&2
	[ -n "$mpf_line" ] || exit "$mpf_status"
	IFS=' '
	# shellcheck disable=SC2086 # split
	set -- $mpf_line
	IFS=$mpf_line_end
	# shellcheck disable=SC2086 # split
	set -- "$@" $mpf_carried
	unset IFS
	"$MPFORGE_ZIG" ld.lld "$@"
	mpf_status=$?
	[ "$mpf_status" = 0 ] || printf '%s: mpforge: its linker was given, beside what zig knows:%s\n' "${0##*/}" "$mpf_shown" >&2
	exit "$mpf_status"
}

# zig makes one object of several sources; gcc makes one of each.
mpf_compile_each() { # ARGUMENTS OF ZIG
	set -f
	IFS=$mpf_line_end
	for mpf_one in $mpf_sources; do
		(
			mpf_count=$#
			while [ "$mpf_count" -gt 0 ]; do
				mpf_a=$1 mpf_count=$((mpf_count - 1))
				shift
				case $mpf_line_end$mpf_sources in
				*"$mpf_line_end$mpf_a$mpf_line_end"*) [ "$mpf_a" = "$mpf_one" ] || continue ;;
				esac
				set -- "$@" "$mpf_a"
			done
			unset IFS
			exec "$MPFORGE_ZIG" "$@"
		) || exit
	done
	exit 0
}

# -fopenmp. Without a runtime the call fails: what it makes would call functions that nobody has.
mpf_openmp() { # ARGUMENT
	if [ ! -d "${MPFORGE_OPENMP:-}" ]; then
		printf '%s: error: mpforge: openmp-unavailable: %s: there is no OpenMP runtime for %s in this build\n' \
			"${0##*/}" "$1" '@TRIPLE@' >&2
		mpf_tell openmp "$1"
		exit 1
	fi
	mpf_parallel=1
}
