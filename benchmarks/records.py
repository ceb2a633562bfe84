"""Makes a record of the output from a line of JSON, one event at a time, in plain Python.

This is hand-written code with the standard library: `json`, `datetime`, `hashlib`. All contenders
derive the status with the same function. The comparison has only envelopes with one job; any other
line raises an exception.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from schemas.mapping.tables import load_mapping
from transforms.blocks.status import StatusText
from transforms.derive.rules import Derived, Deriver
from transforms.parse.raw_status import status_text

Record = dict[str, Any]

WANTED = "ats_jobs."
"""The prefix of the event types to keep."""

if sys.version_info >= (3, 11):
    read_moment = datetime.fromisoformat
else:
    _FRACTION = re.compile(r"\.\d+")

    def read_moment(text: str) -> datetime:
        """Parses a timestamp. Python 3.10 has no Z, and only fractions of 3 or 6 digits."""
        text = text[:-1] + "+00:00" if text[-1:] == "Z" else text
        return datetime.fromisoformat(_FRACTION.sub(lambda found: f"{found[0][:7]:0<7}", text))


_JOB_STATUS = '"job_status":'
_value_at = json.JSONDecoder().raw_decode


class RecordMaker:
    """Makes records with the built-in mapping."""

    def __init__(self) -> None:
        mapping = load_mapping()
        self._derive = lru_cache(maxsize=65_536)(Deriver(mapping))
        self._mapping_fingerprint = mapping.fingerprint

    def __call__(
        self, line: str, source: str | None = None, source_offset: int | None = None
    ) -> Record | None:
        """Makes the record of a line, or None if its event is of another type.

        Args:
            line: An envelope.
            source: The file, or None if it is not known.
            source_offset: The offset of the line in the file in bytes, or None.
        """
        envelope = json.loads(line)
        event_type = envelope.get("event")
        if event_type is not None and not event_type.startswith(WANTED):
            return None
        job = envelope.get("event_data") or envelope.get("data") or envelope
        account_id = _id(envelope.get("account_id"))
        provider = envelope.get("provider")
        job_id = _id(job.get("id"), envelope.get("record_id"))
        remote_job_id = _id(job.get("remote_id"), envelope.get("record_remote_id"))
        event_date = envelope.get("event_date")
        created_at = job.get("created_at")
        updated_at = job.get("updated_at")
        legacy_status = job.get("status")
        status_json = _text_of_status(line) if "job_status" in job else "null"
        status = _parsed_status(status_json)
        derived = self._derive(
            provider,
            event_type,
            status.given_value,
            status.source_value_type,
            status.source_value_json,
            legacy_status,
        )
        identity = (
            "job",
            account_id,
            provider,
            event_type,
            event_date,
            job_id,
            remote_job_id,
            None,
            None,
            created_at,
            updated_at,
            None if status_json == "null" else status_json,
            legacy_status,
        )
        created, updated = _moment(created_at), _moment(updated_at)
        return {
            "event_id": _event_id(identity),
            "record_type": "job",
            "event_type": event_type,
            "event_time": _moment(event_date) or updated or created,
            "project_id": _id(envelope.get("project_id")),
            "account_id": account_id,
            "provider": provider,
            "job_id": job_id,
            "remote_job_id": remote_job_id,
            "posting_id": None,
            "remote_posting_id": None,
            "job_created_at": created,
            "job_updated_at": updated,
            "legacy_status": legacy_status,
            "job_status": job_status_record(status, derived),
            "mapping_fingerprint": self._mapping_fingerprint,
            "source": source,
            "source_offset": source_offset,
            "message_id": None,
            "publish_time": None,
        }


def _id(value: str | int | None, default: str | int | None = None) -> str | None:
    if value is None:
        value = default
    return value if value is None or isinstance(value, str) else str(value)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return read_moment(text)
    except ValueError:
        return None


def _event_id(identity: Sequence[str | None]) -> str:
    parts = []
    for text in identity:
        if text is None:
            parts.append(b"\x00")
        else:
            data = text.encode()
            parts.append(b"\x01" + len(data).to_bytes(4, "big") + data)
    return blake2b(b"".join(parts), digest_size=16, person=b"job-status/1").hexdigest()


def _text_of_status(line: str) -> str:
    """Returns the exact JSON text of the status, which `json` does not keep.

    It uses the first member of this name at any depth. This is enough here, and faster than a
    correct search.
    """
    start = line.index(_JOB_STATUS) + len(_JOB_STATUS)
    return line[start : _value_at(line, start)[1]]


@lru_cache(maxsize=65_536)
def _parsed_status(text: str) -> StatusText:
    return status_text(text.encode())


def status_deriver() -> Callable[..., Record]:
    """Returns a function that makes the job_status of a provider, event type, JSON and old status.

    For contenders that derive each distinct status once.
    """
    derive_with_rules = Deriver(load_mapping())

    def derive(
        provider: str | None, event_type: str | None, json: str | None, legacy_status: str | None
    ) -> Record:
        status = status_text((json or "").encode())
        derived = derive_with_rules(
            provider,
            event_type,
            status.given_value,
            status.source_value_type,
            status.source_value_json,
            legacy_status,
        )
        return job_status_record(status, derived)

    return derive


def job_status_record(status: StatusText, derived: Derived) -> Record:
    """Returns the field `job_status` of a record."""
    return {
        "value": derived.value,
        "source_value": derived.source_value,
        "source_value_json": status.source_value_json,
        "source_value_type": status.source_value_type,
        "given_value": status.given_value,
        "derived_from": derived.derived_from,
        "derivation": derived.derivation,
    }
