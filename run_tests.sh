#!/bin/sh
# Runs the linters and the tests: sets up .venv with the development tools when that is needed.
#
#   ./run_tests.sh                          everything; ends with what was skipped and why
#   ./run_tests.sh --require-all            gets all optional components; a test without one fails
#   ./run_tests.sh tests/schemas -k name    the arguments are pytest's
#
# All checks run; the exit code is that of the first that failed.
set -eu

root=$(
  self=$0
  while [ -L "$self" ]; do link=$(readlink "$self"); cd "$(dirname "$self")"; self=$link; done
  cd "$(dirname "$self")" && pwd -P
)
. "$root/scripts/venv.sh"
set_up requirements-dev.lock

cd "$root"
case " $* " in
  # What cannot be made here makes the tests fail that need it.
  *' --require-all '*) scripts/components.sh >/dev/null || : ;;
esac
# The tests start the command hundreds of times; each start would compile what it imports anew.
unset PYTHONDONTWRITEBYTECODE
status=0
failed=
check() {
  printf '\n== %s\n' "$1"
  name=$1
  shift
  code=0
  "$venv/bin/python" -m "$@" || code=$?
  if [ "$code" -ne 0 ]; then
    failed="$failed${failed:+, }$name"
    [ "$status" -ne 0 ] || status=$code
  fi
}

check 'ruff check' ruff check .
check 'ruff format' ruff format --check .
check mypy mypy
check pytest pytest --numprocesses auto --dist worksteal "$@"

[ -z "$failed" ] || say "failed: $failed"
exit "$status"
