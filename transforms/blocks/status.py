"""The fields that decide on the status of an event, and the status that is derived from them.

Beam makes the schema of JobStatus from its annotations. They must not be strings, and Beam 2.77 has
no schema for `str | None`.
"""

from typing import NamedTuple, Optional


class StatusText(NamedTuple):
    """A job's status as it was sent.

    Attributes:
        given_value: Its `value`, or None.
        source_value_json: Exact JSON text of its source value, or None if it is missing or null.
        source_value_type: missing, null, boolean, number, string, array or object.
    """

    given_value: str | None
    source_value_json: str | None
    source_value_type: str


NO_STATUS = StatusText(None, None, "missing")


class Combination(NamedTuple):
    """The fields of an event that decide on its status. Many events have the same."""

    provider: str | None
    event_type: str | None
    legacy_status: str | None
    record_type: str
    status: StatusText


class JobStatus(NamedTuple):
    """The record of a status, with the fields of the output's schema in their order."""

    value: Optional[str]
    source_value: Optional[str]
    source_value_json: Optional[str]
    source_value_type: str
    given_value: Optional[str]
    derived_from: str
    derivation: str
