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
	case ${1% }$2 in
	# The view's own Python.h is found first, and the host's libpython is never linked.
	*/include/python[23]* | */include/*/python[23]*) ;;
	*-L/usr/* | *-L/lib*)
		# Where a build is given its libraries, it finds none of this host's: a missing one is an error of its own.
		if [ -z "${MPFORGE_LIBRARIES+given}" ] && mpf_has "$2" 'lib*.so*' 'lib*.a'; then mpf_refuse "$1" "$2"; fi
		;;
	-I/usr/include | -I/usr/local/include | -isystem/usr/include | -isystem/usr/local/include | -I/usr/include/ | -I/usr/local/include/)
		# The same, and gcc ignores such options too: these directories are searched last in any case.
		if [ -z "${MPFORGE_LIBRARIES+given}" ] && mpf_has "$2" '*'; then mpf_refuse "$1" "$2"; fi
		;;
	*-L*) if ! mpf_has "$2" 'libpython3*' && mpf_has "$2" 'lib*.so*' 'lib*.a'; then mpf_refuse "$1" "$2"; fi ;;
	*) if mpf_has "$2" '*'; then mpf_refuse "$1" "$2"; fi ;;
	esac
	case "$mpf_refused " in *" $1$2 "*) ;; *) mpf_tell dropped "$1$2" ;; esac
	return 1
}

mpf_library() { # OPTION PATH: a library or object by its file's name
	[ -z '@CROSS@' ] || mpf_ours "$2" || [ ! -e "$2" ] || mpf_refuse "$1" "$2"
}
