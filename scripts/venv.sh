# shellcheck shell=sh
# Sourced by run_local.sh and run_tests.sh. Creates .venv and updates it with the lock files.
#
# Needs $root, the checkout. POSIX sh only: macOS has bash 3.2, and small images have no bash.

: "${root:?}"
venv=$root/.venv
# A new environment is made beside .venv and replaces it when it is complete.
new=$root/.venv.new
old=$root/.venv.old
# The file in the environment that describes its installation.
stamp=installed
# The log. A set-up locks this file, so it is outside of the environment.
log=$root/.venv.log
# The modules that a run and its worker processes import.
modules='pipeline.cli, pipeline.commands.run, apache_beam.runners.worker.sdk_worker_main'

report() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
  report "$*"
  exit 1
}

version_of() { "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Sets $python to the first interpreter that can create the environment. Fails if there is none.
find_python() {
  remedy='install Python 3.10 to 3.13, or name one with PYTHON=/path/to/python3'
  if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
    problem="PYTHON=$PYTHON does not run: $remedy"
  else
    # The interpreter of .venv is the last choice. Its origin may be missing on PATH.
    set -- python3 python3.13 python3.12 python3.11 python3.10 "$venv/bin/python"
    problem="no python3 found: $remedy"
  fi
  wrong_version=
  no_venv=
  for python in "$@"; do
    version=$(version_of "$python") || continue
    case $version in
      3.10 | 3.11 | 3.12 | 3.13)
        if "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then return; fi
        age=
        [ -n "$no_venv" ] || no_venv="$python is Python $version without the venv or ensurepip module: \
install it (on Debian and Ubuntu: apt install python$version-venv)"
        ;;
      2.* | 3.[0-9]) age=old ;;
      *) age=new ;;
    esac
    [ -z "$age" ] || [ -n "$wrong_version" ] ||
      wrong_version="$python is Python $version, too $age: $remedy"
  done
  fail "${no_venv:-${wrong_version:-$problem}}"
}

# Prints a description of the installation of lock file $1 in this checkout, for Python $2.
describe() {
  printf '%s\n' "$1" "$2" "$root"
  (cd "$root" && cksum pyproject.toml setup.py requirements.lock requirements-dev.lock)
}

# Succeeds if .venv has the packages of lock file $1. The development lock contains the other one.
is_ready() {
  version=$(version_of "$venv/bin/python") || return 1
  [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$version" ] || return 1
  case $(cat "$venv/$stamp" 2>/dev/null) in
    "$(describe "$1" "$version")" | "$(describe requirements-dev.lock "$version")") return 0 ;;
    *) return 1 ;;
  esac
}

# Prints the first error of the last step in the log, the line after it, and the last lines.
reason() {
  awk '
    /^== / { n = 0 }
    !NF { next }
    n || /^ *(ERROR|Error|error)/ { line[++n] = $0 }
    { last = $0 }
    END {
      if (!n) line[++n] = last
      for (i = 1; i <= n; i++) if (i < 3 || i > n - 3) print "  " substr(line[i], 1, 300)
    }' "$log"
}

# Prints what to do about the failure in the log, if its cause is known.
hint() {
  case $(reason && tail -n 10 "$log") in
    *'DO NOT MATCH THE HASHES'*)
      echo 'the package index serves other files than the lock file names: check which one pip uses'
      ;;
    *'No space left'* | *'quota exceeded'*) echo 'the disk is full: free some space' ;;
    *CERTIFICATE_VERIFY_FAILED*)
      echo "pip does not trust the package index's certificate: name one with PIP_CERT=FILE"
      ;;
    *'onnection broken'* | *'onnection refused'* | *'onnection reset'* | *'onnection aborted'* | \
      *'name resolution'* | *'Name or service not known'* | *'nodename nor servname'* | \
      *'etwork is unreachable'* | *'imed out'*)
      echo 'the package index cannot be reached: check the network and the proxy'
      ;;
  esac
}

# Runs a command in the checkout, with its output in the log. $1 names the step in messages.
logged() {
  step=$1
  shift
  echo "== $step" >>"$log"
  (cd "$root" && "$@") >>"$log" 2>&1 && return
  rm -rf "$new"
  report "$step failed:"
  reason >&2
  advice=$(hint)
  [ -z "$advice" ] || report "$advice"
  [ ! -e "$venv" ] || report '.venv is unchanged'
  fail "the complete output is in $log"
}

# Installs lock file $1 and the project into a new environment, which then replaces .venv.
install() {
  : >"$log"
  # Removes the files of a killed set-up. This one holds the lock.
  rm -rf "$new" "$old"
  report "making .venv with $python"
  logged 'making .venv' "$python" -I -m venv --prompt .venv "$new"
  report "installing $1 into .venv (a minute or two)"
  lock=$1
  # Compiling all modules would take a third of the time. Most are never imported; see below.
  set -- "$new/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile
  # The lock is complete. Without --no-deps, pip 23 misses the pins of some dependencies.
  logged "installing $lock" "$@" --no-deps --require-hashes -r "$lock"
  logged 'installing job-status' "$@" --no-deps --no-build-isolation --editable .
  logged "checking $lock" "$new/bin/python" -m pip check
  # The machine code of the kernel.
  logged 'compiling the kernel' "$new/bin/python" -I -m transforms.kernel.build
  # Compiled modules save seconds at each start. -I ignores environment variables that forbid
  # writing them.
  logged 'compiling job-status' "$new/bin/python" -I -c "import $modules"
  describe "$lock" "$(version_of "$new/bin/python")" >"$new/$stamp"
  # Scripts contain the absolute path of their environment. If .venv were a link, they would contain
  # its target, which the next set-up removes: running jobs and activated shells would fail.
  logged 'replacing .venv' "$new/bin/python" -I -c '
import os, sys
from pathlib import Path

new, venv, old = map(Path, sys.argv[1:])
for path in [*new.glob("bin/*"), new / "pyvenv.cfg"]:
    if path.is_file() and not path.is_symlink():
        content = path.read_bytes()
        if bytes(new) in content:
            path.write_bytes(content.replace(bytes(new), bytes(venv)))
if os.path.lexists(venv):
    venv.rename(old)
new.rename(venv)
' "$new" "$venv" "$old"
  rm -rf "$old"
}

# Installs lock file $1 into .venv, unless .venv is ready.
set_up() {
  if is_ready "$1"; then return; fi
  find_python
  [ -w "$root" ] || fail "cannot write to $root: .venv is made there"
  exec 9>>"$log"
  # The lock belongs to the open file: the kernel releases it when this shell ends for any reason.
  "$python" -I -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(sys.argv[1], file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass  # no locks on this file system
' "${0##*/}: waiting for another start that is setting up .venv"
  is_ready "$1" || install "$1"
  exec 9>&-
}
