"""A pipeline of your own: the jobs that are open, as lines of JSON."""

from __future__ import annotations

import json

import apache_beam as beam

from transforms import JobStatusEvent, NormalizeJobStatus

OPEN = {"open", "published"}


def as_line(event: JobStatusEvent) -> str:
    """Returns the line of an event."""
    return json.dumps({"provider": event.provider, "job_id": event.job_id})


class OpenJobs(beam.PTransform):
    """Keeps the events of open jobs, and makes a line of each."""

    def expand(self, lines: beam.PCollection) -> beam.PCollection:
        return (
            (lines | NormalizeJobStatus()).events
            | beam.Filter(lambda event: event.job_status.value in OPEN)
            | beam.Map(as_line)
        )
