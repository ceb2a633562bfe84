# shellcheck shell=sh
# Sourced by run_local.sh and run_tests.sh: makes .venv and keeps it in step with the lock files.
#
# Expects $root, the checkout. Plain POSIX sh: macOS still ships bash 3.2, small images none at all.

: "${root:?}"
venv=$root/.venv
# A new environment is made beside .venv, and replaces it when it is complete.
new=$root/.venv.new
old=$root/.venv.old
# Describes what was installed.
stamp=installed
# Also what is locked while an environment is made, so it lies outside.
log=$root/.venv.log
# What a run imports, its worker processes included.
modules='pipeline.cli, pipeline.commands.run, apache_beam.runners.worker.sdk_worker_main'

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

version_of() { "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Sets $python to the first interpreter that can make the environment, or says what is missing.
find_python() {
  remedy='install Python 3.10 to 3.13, or name one with PYTHON=/path/to/python3'
  if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
    problem="PYTHON=$PYTHON does not run: $remedy"
  else
    # .venv's own comes last: it may have been made with an interpreter that PATH does not hold.
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

# Describes the installation of lock file $1 here, for Python $2.
describe() {
  printf '%s\n' "$1" "$2" "$root"
  (cd "$root" && cksum pyproject.toml setup.py requirements.lock requirements-dev.lock)
}

# True where .venv holds what lock file $1 asks for; the development lock holds all of the other.
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

# Runs its arguments in the checkout, with the output in the log; says $1 and why where they fail.
logged() {
  what=$1
  shift
  echo "== $what" >>"$log"
  (cd "$root" && "$@") >>"$log" 2>&1 && return
  rm -rf "$new"
  say "$what failed:"
  reason >&2
  advice=$(hint)
  [ -z "$advice" ] || say "$advice"
  [ ! -e "$venv" ] || say '.venv is unchanged'
  fail "the complete output is in $log"
}

# Installs lock file $1 and the project into a new environment, which then replaces .venv.
install() {
  : >"$log"
  # What a set-up left that was killed; this one holds the lock.
  rm -rf "$new" "$old"
  say "making .venv with $python"
  logged 'making .venv' "$python" -I -m venv --prompt .venv "$new"
  say "installing $1 into .venv (a minute or two)"
  lock=$1
  # Compiling all modules would take a third of the time; most are never imported, see below.
  set -- "$new/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile
  # The lock is complete. With dependencies, pip 23 asks for pins that it then does not see.
  logged "installing $lock" "$@" --no-deps --require-hashes -r "$lock"
  logged 'installing job-status' "$@" --no-deps --no-build-isolation --editable .
  logged "checking $lock" "$new/bin/python" -m pip check
  # Python keeps what it compiles, unless the environment forbids it: then each start would take
  # seconds more. -I does not look at the environment.
  logged 'compiling job-status' "$new/bin/python" -I -c "import $modules"
  describe "$lock" "$(version_of "$new/bin/python")" >"$new/$stamp"
  # Scripts hold the absolute path of their environment. With a link in place of .venv they would
  # name its target, and running jobs and activated shells would lose that at the next set-up.
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

# Makes .venv ready for lock file $1; returns at once where it is.
set_up() {
  if is_ready "$1"; then return; fi
  find_python
  [ -w "$root" ] || fail "cannot write to $root: .venv is made there"
  exec 9>>"$log"
  # The lock belongs to the open file: the kernel drops it with this shell, however that ends.
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
