#!/bin/sh
# Commits the messages of a subscription until it is stopped. `job-status.service` runs it with systemd.
#
#   stream.sh projects/my-project/subscriptions/job-events gs://my-bucket/job_status
#
# Further arguments are options of `job-status run`.
set -eu
subscription=$1 output=$2
shift 2
# SIGTERM ends the stream in order: what is not committed is delivered again.
exec job-status run --streaming --input_subscription "$subscription" --output "$output" \
  --log_format json "$@"
