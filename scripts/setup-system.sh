#!/usr/bin/env bash
# What the system must have for mpforge's tests, and how it gets it.
#
#   scripts/setup-system.sh             look, say what is missing, install it where that is allowed
#   scripts/setup-system.sh --dry-run   the same, but only print the commands
#   scripts/setup-system.sh --check     only look; exit 1 if something is missing
#   scripts/setup-system.sh --python    print the path of a CPython 3.11 that has headers and venv
#
# System packages are installed only as root or with a sudo that asks for no password. What can't be
# had is said; the tests that need it then skip with that reason. With CI=true it is an error (exit 1).
set -euo pipefail

mode=${1:-install}
case $mode in
  install | --dry-run | --check | --python) ;;
  *)
    sed -n '4,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac

say() { printf 'setup: %s\n' "$*"; }
strict() { [[ -n ${CI:-} && ${CI:-} != false && ${CI:-} != 0 ]]; }

# --- looking: each check succeeds if the thing is here and works -------------------------------

# A CPython 3.11 that can make environments and has its headers (Debian splits it into three packages).
python_works() {
  "$1" -c '
import ensurepip, os, sys, sysconfig, venv
good = sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 11)
sys.exit(not (good and os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))))
' >/dev/null 2>&1
}

find_python() {
  local candidate
  while read -r candidate; do
    if [[ -x $candidate ]] && python_works "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'   # itself, where the candidate only leads to it
      return 0
    fi
  done < <(
    type -aP python3.11 || :
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python3.11
    if command -v uv >/dev/null; then uv python find --no-python-downloads 3.11 2>/dev/null || :; fi
  )
  return 1
}

have_python() { find_python >/dev/null; }
have_compiler() { printf '#include <stdio.h>\nint main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null; }
have_emulator() { command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null; }
have_git() { command -v git >/dev/null; }
have_make() { command -v make >/dev/null; }
have_autotools() { command -v automake >/dev/null && command -v autoreconf >/dev/null; }

# check | Debian's packages | what it is, and what for
requirements=(
  "have_python|python3.11 python3.11-venv python3.11-dev|CPython 3.11 with headers and venv: runs mpforge, and extensions are compiled against its headers"
  "have_emulator|qemu-user-static|QEMU's user mode: tests run on aarch64 (mpforge unpacks one of its own where there is none)"
  "have_compiler|gcc libc6-dev|the host's own C compiler: toolchain = \"gcc\""
  "have_make|make|make: builds of kind = \"make\""
  "have_autotools|autoconf automake|autoconf and automake: make the configure script of a test's project"
  "have_git|git|git: sources are what git tracks"
)

missing=()    # indexes into requirements
look() {
  local index check packages what
  missing=()
  for index in "${!requirements[@]}"; do
    IFS='|' read -r check packages what <<<"${requirements[$index]}"
    "$check" || missing+=("$index")
  done
}

packages_of() {
  local index check packages what
  for index in "$@"; do
    IFS='|' read -r check packages what <<<"${requirements[$index]}"
    printf '%s ' $packages
  done
}

tell_missing() {
  local index check packages what
  for index in "${missing[@]}"; do
    IFS='|' read -r check packages what <<<"${requirements[$index]}"
    say "$1: $what (Debian: $packages)"
  done
}

# --- installing --------------------------------------------------------------------------------

as_root=()    # put before a command that needs root
may_install() {
  if ! command -v apt-get >/dev/null; then
    why_not="there is no apt-get here; install the above by your system's own means"
    return 1
  fi
  if [[ $(id -u) == 0 ]]; then
    return 0
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
    return 0
  fi
  why_not="not root, and sudo asks for a password; you can run: sudo apt-get install $(packages_of "${missing[@]}" | xargs)"
  return 1
}

# Says a command, then runs it unless this is a dry run.
do_it() {
  say "+ $*"
  [[ $mode == --dry-run ]] || "$@" </dev/null
}

apt() { do_it "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
apt_install() { apt install --yes --no-install-recommends "$@"; }

install_missing() {
  local packages index
  read -ra packages <<<"$(packages_of "${missing[@]}")"
  say "fetching the package lists"
  # One archive of several that does not answer is no reason to stop: the others' lists are enough.
  apt -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 update \
    || say "apt-get update did not fully succeed; going on with the lists there are"
  say "installing ${packages[*]}"
  apt_install "${packages[@]}" && return 0
  say "that failed as a whole; trying one need at a time"
  for index in "${missing[@]}"; do
    read -ra packages <<<"$(packages_of "$index")"
    apt_install "${packages[@]}" || say "could not install ${packages[*]}"
  done
}

# --- the modes ---------------------------------------------------------------------------------

if [[ $mode == --python ]]; then
  find_python || { say "no CPython 3.11 with headers and venv" >&2; exit 1; }
  exit 0
fi

look
if ((${#missing[@]} == 0)); then
  say "the system has all that the tests need"
  exit 0
fi

tell_missing missing
[[ $mode != --check ]] || exit 1

if may_install; then
  install_missing
  [[ $mode != --dry-run ]] || exit 0
  look
else
  say "$why_not"
fi

if ((${#missing[@]} == 0)); then
  say "done: the system has all that the tests need"
elif strict; then
  tell_missing "error, CI is set and this can't be had"
  exit 1
else
  tell_missing "going on without"
fi
