#!/bin/sh
# Runs the linters and the tests. Sets up .venv with the development tools if needed.
#
#   ./run_tests.sh                          the default tests, without real servers, kills and set-ups
#   ./run_tests.sh --all                    every test; lists what was skipped and why
#   ./run_tests.sh --all --require-all      builds the optional components; a test without one fails
#   ./run_tests.sh tests/schemas -k name    the arguments are pytest's
#
# All checks run. The exit code is that of the first check that failed.
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
  # Tests that need a component which cannot be built here fail.
  *' --require-all '*) scripts/components.sh >/dev/null || : ;;
esac
# The tests start the command hundreds of times. Without .pyc files each start would compile Beam.
unset PYTHONDONTWRITEBYTECODE
default=
if [ "$#" -eq 0 ]; then
  default=1
  set -- -m 'not system and not project'
elif [ "$1" = --all ]; then
  shift
  set -- --hypothesis-profile thorough "$@"
fi
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

[ -z "$failed" ] || report "failed: $failed"
[ -z "$default" ] || report "these were the default tests; ./run_tests.sh --all runs every test"
exit "$status"
