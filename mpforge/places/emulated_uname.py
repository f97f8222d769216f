"""Programs ``uname`` and ``arch`` that report the target's machine, for tests under an emulator.

The host's programs of these names report the host's machine. Their other answers are right: the
emulated programs run on the host's kernel. Knows nothing of steps.
"""

from pathlib import Path

# What coreutils prints, in its order: it leaves out of -a what is "unknown".
_UNAME = """\
#!/bin/sh
wanted=
for word in "$@"; do
  case $word in
    --all) wanted=${{wanted}}a ;;
    --kernel-name | --sysname) wanted=${{wanted}}s ;;
    --nodename) wanted=${{wanted}}n ;;
    --kernel-release | --release) wanted=${{wanted}}r ;;
    --kernel-version) wanted=${{wanted}}v ;;
    --machine) wanted=${{wanted}}m ;;
    --processor) wanted=${{wanted}}p ;;
    --hardware-platform) wanted=${{wanted}}i ;;
    --operating-system) wanted=${{wanted}}o ;;
    -[asnrvmpio]*) wanted=$wanted${{word#-}} ;;
    *) wanted= ; break ;;
  esac
done
case $wanted in *[amp]* | *i*) ;; *) {program} "$@"; exit ;; esac
case $wanted in *[!asnrvmpio]*) {program} "$@"; exit ;; esac
said=
for letter in s n r v m p i o; do
  value=
  case $wanted in *a* | *$letter*) value=$({program} -$letter) || exit ;; esac
  case $letter$value in
    m?*) value={machine} ;;
    [pi]unknown) case $wanted in *a*) value= ;; esac ;;
    [pi]?*) value={machine} ;;
  esac
  said=$said${{value:+${{said:+ }}$value}}
done
printf '%s\\n' "$said"
"""
_ARCH = """\
#!/bin/sh
case $# in 0) echo {machine} ;; *) {program} "$@"; exit ;; esac
"""


def write_programs(folder: Path, machine: str) -> Path:
    """Write both programs, which call the host's, to ``folder``; return the folder, created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("uname", _UNAME), ("arch", _ARCH)):
        path = folder / name
        path.write_text(text.format(program=f"command -p {name}", machine=machine), "utf-8")
        path.chmod(0o755)
    return folder
