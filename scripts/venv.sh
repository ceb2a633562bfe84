# shellcheck shell=sh
# Sourced by run_local.sh and run_tests.sh: makes .venv and keeps it in step with the lock files.
#
# Expects $root, the checkout. Plain POSIX sh: macOS still ships bash 3.2, small images none at all.

: "${root:?}"
venv=$root/.venv
# Describes the last complete installation; a .venv without it was left half made.
stamp=$venv/installed
# Also what is locked while .venv is worked on, so it lies outside.
log=$root/.venv.log
# What a run imports, its worker processes included.
modules='pipeline.cli, pipeline.run, apache_beam.runners.worker.sdk_worker_main'

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

# True where .venv was once complete, in this place, for the interpreter that it still finds.
is_whole() {
  version=$(version_of "$venv/bin/python") || return 1
  [ "$(head -n 2 "$stamp" 2>/dev/null)" = "$version
$root" ] || return 1
  [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$version" ]
}

checksums() { (cd "$root" && cksum pyproject.toml setup.py requirements.lock requirements-dev.lock); }

# True where .venv holds what lock file $1 asks for; the development lock holds all of the other.
is_ready() {
  is_whole || return 1
  sums=$(checksums)
  case $(tail -n +3 "$stamp") in
    "$1
$sums" | "requirements-dev.lock
$sums") return 0 ;;
    *) return 1 ;;
  esac
}

# Runs its arguments in the checkout, with the output in the log; says $1 and why where they fail.
logged() {
  what=$1
  shift
  (cd "$root" && "$@") >>"$log" 2>&1 && return
  why=$(grep -E '^(ERROR|Error|error)' "$log" | tail -n 1 | cut -c 1-200)
  fail "$what failed${why:+ ($why)}: check the network and the disk, then run this again; all of it: $log"
}

# Installs lock file $1 and the project. The stamp goes first and comes last, so that an
# installation that was broken off is started again from nothing.
install() {
  : >"$log"
  if is_whole; then
    rm -f "$stamp"
  else
    say "making .venv with $python"
    logged 'making .venv' "$python" -I -m venv --clear "$venv"
  fi
  say "installing $1 into .venv (a minute or two the first time)"
  lock=$1
  # Compiling all modules would take a third of the time; most are never imported, see below.
  set -- "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile
  # The lock is complete. With dependencies, pip 23 asks for pins that it then does not see.
  logged "installing $lock" "$@" --no-deps --require-hashes -r "$lock"
  logged 'installing job-status' "$@" --no-deps --no-build-isolation --editable .
  logged "checking $lock" "$venv/bin/python" -m pip check
  # Python keeps what it compiles, unless the environment forbids it: then each start would take
  # seconds more. -I does not look at the environment.
  logged 'compiling job-status' "$venv/bin/python" -I -c "import $modules"
  { version_of "$venv/bin/python" && printf '%s\n' "$root" "$lock" && checksums; } >"$stamp.new"
  mv "$stamp.new" "$stamp"
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
