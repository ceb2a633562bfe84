#!/bin/sh
# Runs job-status on this machine. Sets up .venv if needed.
#
#   ./run_local.sh                                     processes the samples; replaces output/
#   ./run_local.sh run --input FILE --output DIR …     any command of job-status, in this directory
#
# PYTHON=/path/to/python3 chooses the interpreter for .venv.
set -eu

root=$(
  self=$0
  while [ -L "$self" ]; do link=$(readlink "$self"); cd "$(dirname "$self")"; self=$link; done
  cd "$(dirname "$self")" && pwd -P
)
. "$root/scripts/venv.sh"
set_up requirements.lock

if [ $# -gt 0 ]; then exec "$venv/bin/job-status" "$@"; fi

cd "$root"
"$venv/bin/job-status" run --input 'samples/*' --output output --write_mode overwrite
report "the records are in $root/output/job_status, the dead letters in $root/output/dead_letter"
