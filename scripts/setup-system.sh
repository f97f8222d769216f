#!/usr/bin/env bash
# What the system must have for mpforge's tests, and how it gets it.
#
#   scripts/setup-system.sh             look, say what is missing, install it where that is allowed
#   scripts/setup-system.sh --dry-run   the same, but only print the commands
#   scripts/setup-system.sh --check     only look; exit 1 if something is missing
#   scripts/setup-system.sh --python    print the path of a CPython 3.11 that has headers and venv
#
# System packages are installed, emulators registered with the kernel and a container engine started only
# as root or with a sudo that asks for no password. An engine that answers, or that somebody has started,
# is left as it is; so are handlers that are registered. What can't be had is said; the tests that need
# it then skip with that reason. With CI=true it is an error (exit 1).
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
have_strace() { command -v strace >/dev/null; }
have_make() { command -v make >/dev/null; }
have_autotools() { command -v automake >/dev/null && command -v autoreconf >/dev/null; }
# A client alone is none: unless an engine answers it, there must be one to start.
have_docker() { command -v docker >/dev/null && { has_dockerd || [[ -n ${DOCKER_HOST:-} ]] || have_engine; }; }
has_dockerd() { PATH=$PATH:/usr/sbin:/sbin command -v dockerd >/dev/null; }
have_registry() { command -v docker-registry >/dev/null; }
have_engine() { command -v docker >/dev/null && timeout 30 docker version >/dev/null 2>&1; }

# The kernel starts aarch64 programs by QEMU, also in containers: there the emulator's file can't be seen,
# so the kernel must have opened it when it was told of it (flag F).
binfmt=/proc/sys/fs/binfmt_misc
handler=$binfmt/qemu-aarch64
have_handler() {
  [[ $(uname -m) == aarch64 ]] || { [[ $(head -n 1 $handler 2>/dev/null) == enabled ]] && grep -q '^flags:.*F' $handler; }
}
have_static_emulator() { have_handler || [[ -e /usr/lib/binfmt.d/qemu-aarch64.conf ]]; }

# check | Debian's packages | what is done beside installing them | what it is, and what for
requirements=(
  "have_python|python3.11 python3.11-venv python3.11-dev||CPython 3.11 with headers and venv: runs mpforge, and extensions are compiled against its headers"
  "have_emulator|qemu-user-static||QEMU's user mode: tests run on aarch64 (mpforge unpacks one of its own where there is none)"
  "have_compiler|gcc libc6-dev||the host's own C compiler: toolchain = \"gcc\""
  "have_make|make||make: builds of kind = \"make\""
  "have_autotools|autoconf automake||autoconf and automake: make the configure script of a test's project"
  "have_git|git||git: sources are what git tracks"
  "have_strace|strace||strace: a test compares what mpforge reads with what its memo watches"
  "have_docker|docker.io||docker, a container engine and its command: builds and tests in containers"
  "have_registry|docker-registry||a registry of images: tests start one of their own on a loopback port, and pull from it"
  "have_static_emulator|qemu-user-static||QEMU's user mode, linked statically, and how the kernel is told of it: emulated containers"
  "have_handler||register_handlers|the kernel's word (binfmt_misc, flag F) that aarch64 programs run under QEMU, in containers too"
  "have_engine||start_engine|a container engine that answers: builds and tests in containers"
)

missing=()    # indexes into requirements
look() {
  local index check packages act what
  missing=()
  for index in "${!requirements[@]}"; do
    IFS='|' read -r check packages act what <<<"${requirements[$index]}"
    "$check" || missing+=("$index")
  done
}

packages_of() {
  local index check packages act what
  for index in "$@"; do
    IFS='|' read -r check packages act what <<<"${requirements[$index]}"
    printf '%s ' $packages
  done
}

tell_missing() {
  local index check packages act what
  for index in "${missing[@]}"; do
    IFS='|' read -r check packages act what <<<"${requirements[$index]}"
    say "$1: $what${packages:+ (Debian: $packages)}"
  done
}

# --- what only root may do ---------------------------------------------------------------------

as_root=()    # put before a command that needs root
may_be_root() {
  [[ $(id -u) != 0 ]] || return 0
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
  as_root=(sudo -n)
}

# Says a command, then runs it unless this is a dry run.
do_it() {
  say "+ $*"
  [[ $mode == --dry-run ]] || "$@" </dev/null
}

# --- installing --------------------------------------------------------------------------------

apt() { do_it "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
apt_install() { apt install --yes --no-install-recommends "$@"; }

installed=
install_missing() {
  local packages index
  read -ra packages <<<"$(packages_of "${missing[@]}")"
  ((${#packages[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    say "there is no apt-get here; install the above by your system's own means"
    return 0
  fi
  say "fetching the package lists"
  # One archive of several that does not answer is no reason to stop: the others' lists are enough.
  apt -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 update \
    || say "apt-get update did not fully succeed; going on with the lists there are"
  say "installing ${packages[*]}"
  installed=yes
  apt_install "${packages[@]}" && return 0
  say "that failed as a whole; trying one need at a time"
  for index in "${missing[@]}"; do
    read -ra packages <<<"$(packages_of "$index")"
    ((${#packages[@]})) || continue
    apt_install "${packages[@]}" || say "could not install ${packages[*]}"
  done
}

# --- emulated programs, and the engine ---------------------------------------------------------

# A boot registers the package's handlers by systemd; here there may be none, or it has not run since.
register_handlers() {
  if [[ -e $handler ]]; then
    say "$handler is registered, but disabled or without the flag F; left as it is ($(xargs <$handler))"
    return 0
  fi
  if [[ ! -e $binfmt/register ]]; then
    say "mounting the kernel's list of binary formats"
    do_it "${as_root[@]}" mount -t binfmt_misc binfmt_misc $binfmt || return 0
  fi
  say "registering the handlers of qemu-user-static that are not, each with the flag F"
  # Each file is a line of binfmt.d(5), :NAME:TYPE:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS; all end with flags.
  do_it "${as_root[@]}" sh -c 'for file in /usr/lib/binfmt.d/qemu-*.conf; do [ -e "$0/$(basename "$file" .conf)" ] \
    || sed "/:[A-Z]*F[A-Z]*\$/!s/\$/F/" "$file" >"$0/register"; done' $binfmt \
    || say "the kernel did not take all of them"
}

engine_log=/var/log/mpforge-dockerd.log

# Ours alone: an engine that somebody set up is theirs, also when it does not answer.
start_engine() {
  if [[ -n ${DOCKER_HOST:-} ]]; then
    say "DOCKER_HOST is $DOCKER_HOST, which does not answer; none is started in its place"
  elif pidof dockerd >/dev/null; then
    # The package's own start, a moment ago, is waited for.
    if [[ -n $installed ]] && wait_for_engine; then return 0; fi
    say "a dockerd runs, but does not answer; left as it is ($(docker version 2>&1 | tail -n 1))"
  elif [[ -d /run/systemd/system ]]; then
    say "starting the system's own engine"
    do_it "${as_root[@]}" systemctl start docker || say "systemd could not start it"
  elif [[ $mode == --dry-run ]] || has_dockerd; then
    start_engine_by_hand
  fi
}

# Detached, so that it outlives this script and the session that runs it. It touches no firewall and makes
# no bridge: containers have the host's network, or none.
start_engine_by_hand() {
  say "starting a container engine in the background (its log: $engine_log)"
  do_it "${as_root[@]}" env PATH="$PATH:/usr/sbin:/sbin" sh -c \
    "cd / && exec setsid --fork nohup dockerd --iptables=false --bridge=none >$engine_log 2>&1"
  [[ $mode != --dry-run ]] || return 0
  wait_for_engine || "${as_root[@]}" tail -n 5 $engine_log | sed 's/^/setup:   /'
}

# Until it answers, at most a minute; not at all where it has ended, or has not begun in five seconds.
wait_for_engine() {
  local start=$SECONDS seen=
  while ((SECONDS < start + 60)); do
    if have_engine; then
      say "it answers"
      return 0
    elif pidof dockerd >/dev/null; then
      seen=yes
    elif [[ -n $seen ]] || ((SECONDS > start + 5)); then
      break
    fi
    sleep 0.2
  done
  say "it does not answer"
  return 1
}

act_on_missing() {
  local index check packages act what
  for index in "${missing[@]}"; do
    IFS='|' read -r check packages act what <<<"${requirements[$index]}"
    [[ -z $act ]] || "$check" || "$act"
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

if may_be_root; then
  install_missing
  act_on_missing
  [[ $mode != --dry-run ]] || exit 0
  look
else
  say "not root, and sudo asks for a password; you can run: sudo bash $0"
fi

if ((${#missing[@]} == 0)); then
  say "done: the system has all that the tests need"
elif strict; then
  tell_missing "error, CI is set and this can't be had"
  exit 1
else
  tell_missing "going on without"
fi
