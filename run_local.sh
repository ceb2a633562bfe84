#!/bin/sh
# Runs job-status on this machine: sets up .venv when that is needed, then starts the job.
#
#   ./run_local.sh                                     the samples, into output/ (made anew each time)
#   ./run_local.sh run --input FILE --output DIR …     any command of job-status, in the current directory
#
# PYTHON=/path/to/python3 chooses the interpreter that .venv is made with.
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
say "the records are in $root/output/job_status, what was refused in $root/output/dead_letter"
