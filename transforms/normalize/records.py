"""The elements of the collections of NormalizeJobStatus: events and errors, with a Beam schema.

Beam makes the schemas from the annotations. They must not be strings, and Beam 2.77 has no schema
for `str | None`. Times are numbers: WriteToParquet accepts no other type for them.
"""

from typing import NamedTuple, Optional

from apache_beam import coders

from transforms.blocks import JobStatus


class JobStatusEvent(NamedTuple):
    """An event of a job or a posting with its status: the fields of the Avro output.

    The fields are described in docs/schema.md. All times are microseconds since 1970, UTC.

    Examples:
        >>> from datetime import datetime, timezone
        >>> from transforms import JobStatusEvent
        >>> def month_of(event: JobStatusEvent) -> str:
        ...     seconds = (event.event_time or 0) / 1_000_000
        ...     return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m")
    """

    event_id: str
    record_type: str
    event_type: Optional[str]
    event_time: Optional[int]
    project_id: Optional[str]
    account_id: Optional[str]
    provider: Optional[str]
    job_id: Optional[str]
    remote_job_id: Optional[str]
    posting_id: Optional[str]
    remote_posting_id: Optional[str]
    job_created_at: Optional[int]
    job_updated_at: Optional[int]
    legacy_status: Optional[str]
    job_status: JobStatus
    mapping_fingerprint: str
    source: Optional[str]
    source_offset: Optional[int]
    message_id: Optional[str]
    publish_time: Optional[int]


class DeadLetter(NamedTuple):
    """An element, or a part of one, that is no valid event: the fields of the Avro output.

    The fields are described in docs/schema.md. `publish_time` is in microseconds since 1970, UTC.

    Examples:
        >>> from transforms import DeadLetter
        >>> def reason_of(error: DeadLetter) -> str:
        ...     return f"{error.error_code} at {error.error_path}: {error.error_message}"
    """

    dead_letter_id: str
    error_code: str
    step: str
    error_path: Optional[str]
    error_message: str
    payload: Optional[bytes]
    payload_size: int
    payload_truncated: bool
    payload_sha256: str
    event_type: Optional[str]
    event_date: Optional[str]
    project_id: Optional[str]
    account_id: Optional[str]
    provider: Optional[str]
    default_provider: Optional[str]
    source: Optional[str]
    source_offset: Optional[int]
    message_id: Optional[str]
    publish_time: Optional[int]
    attributes: Optional[str]
    pipeline_version: str
    attempt: int


for _kind in (JobStatus, JobStatusEvent, DeadLetter):
    coders.registry.register_coder(_kind, coders.RowCoder)
