#!/bin/sh
# Reads the files that are new in a directory. For cron, for example every night at 03:15:
#
#   15 3 * * *  /srv/job-status/examples/backfill/nightly.sh /data/events /data/job_status
#
# Standard output stays empty, so that cron sends mail only if a run fails.
set -eu
events=$1 output=$2
log="$output.log"

# A run that is still active keeps the lock. This run then ends at once: the next one reads its files.
mkdir -p "$output"
exec 9>"$output.lock"
flock --nonblock 9 || exit 0

status=0
job-status run --input "$events/*" --output "$output" --write_mode append --skip_read \
  --allow_no_input --max_dead_letter_fraction 0.2 --report "$output.report.json" 2>>"$log" || status=$?
if [ "$status" -ne 0 ]; then
  echo "job-status ended with exit code $status; the end of $log:" >&2
  tail -n 20 "$log" >&2
fi
exit "$status"
