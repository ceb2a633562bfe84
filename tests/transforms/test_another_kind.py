"""Another kind of records needs only its definition: the statuses of applications, for example."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.mapping.tables import load_mapping
from schemas.record_kinds import KINDS, IdColumn, RecordKind
from tests.transforms.event_cases import events_of, raw_block
from transforms.blocks.context import NO_CONTEXT
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Deriver
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser

_APPLICATION = RecordKind(
    name="application",
    event_types="ats_applications.*",
    status_key="application_status",
    ids=(
        IdColumn("job_id", ("job_id",)),
        IdColumn("remote_job_id", ("remote_job_id",)),
        IdColumn("posting_id", ("job_posting_id",)),
    ),
    members={"active": "open", "hired": "closed", "rejected": "closed"},
)
_KINDS = (*KINDS, _APPLICATION)


def _derived(*payloads: Any) -> list[dict[str, Any]]:
    parser = EventParser(EventTypes(("ats_*",), _KINDS), 10_000_000, NO_CONTEXT)
    block = raw_block(*(json.dumps(each).encode() for each in payloads))
    step = StatusDeriver(Deriver(load_mapping(), _KINDS))
    parsed = list(parser.parse(block))
    assert not any(each.rejections or each.ignored for each in parsed)
    return events_of(*parsed, step=step)


_STATUS = {"value": "hired", "source_value": "Hired"}


@pytest.mark.parametrize(
    "payload",
    [
        {
            "event": "ats_applications.updated",
            "event_data": {"job_id": "j", "job_posting_id": 5, "application_status": _STATUS},
        },
        {
            "event": "ats_applications.updated",
            "data": [{"job_id": "j", "job_posting_id": 5, "application_status": _STATUS}],
        },
    ],
)
def test_another_kind_is_parsed_and_derived_beside_the_others(payload: Any) -> None:
    job = {"id": "a", "job_status": {"value": None, "source_value": "hired"}}
    posting = {"id": "p", "status": {"value": "live"}}
    rows = {row["record_type"]: row for row in _derived(job, payload, posting)}
    application = rows["application"]
    assert (application["job_id"], application["posting_id"]) == ("j", "5")
    assert application["job_status"]["value"] == "closed"
    assert application["job_status"]["derivation"] == "given"
    assert rows["job"]["job_status"]["value"] == "unmapped_value"
    assert rows["job_posting"]["job_status"]["value"] == "published"
