"""What applicant tracking systems send as the status of a job, by weight.

Written down from the public interfaces of the systems, apart from the mapping table: a sample must
be able to contradict the mapping. The weights are rough shares of a busy feed; only their order
matters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

RemoteIds = Literal["digits", "number", "uuid", "code"]


class Provider(NamedTuple):
    """How one system speaks.

    Attributes:
        names: The spellings of its name; the first is the usual one.
        weight: Its share of a feed.
        remote_ids: The form of its own ids of jobs.
        offset_hours: The time zone of its times, in hours from UTC.
        statuses: Each raw status (as Python reads its JSON) with its share of the provider's jobs.
    """

    names: tuple[str, ...]
    weight: int
    remote_ids: RemoteIds
    offset_hours: int
    statuses: tuple[tuple[Any, int], ...]


def _provider(
    names: str, weight: int, remote_ids: RemoteIds, offset_hours: int, *statuses: tuple[Any, int]
) -> Provider:
    return Provider(tuple(names.split("|")), weight, remote_ids, offset_hours, statuses)


def _bamboo(number: int, label: str) -> dict[str, Any]:
    return {"id": number, "label": label}


def _icims(code: str, value: str) -> dict[str, Any]:
    return {"id": code, "value": value, "formattedvalue": value}


def _workday(wid: str, status: str) -> list[dict[str, Any]]:
    references = (("WID", wid), ("Job_Requisition_Status_ID", status))
    return [{"ID": [{"attributes": {"wd:type": t}, "$value": v} for t, v in references]}]


# One row a system: names, weight, form of ids, hours from UTC, then its statuses.
PROVIDERS: tuple[Provider, ...] = (
    _provider(
        "greenhouse", 170, "digits", 0,
        ("open", 55), ("closed", 33), ("draft", 9), ("opened", 3),
    ),
    _provider(
        "lever", 110, "uuid", 0,
        ("published", 46), ("closed", 26), ("internal", 9), ("draft", 8), ("pending", 5),
        ("onHold", 3), ("rejected", 2), ("open", 1),
    ),
    _provider(
        "ashby", 80, "uuid", 0,
        ("Open", 40), ("Closed", 28), ("Draft", 8), ("Archived", 7), ("Published", 5),
        (True, 8), (False, 4),
    ),
    _provider(
        "smartrecruiters|SmartRecruiters", 60, "uuid", 0,
        ("SOURCING", 28), ("INTERVIEW", 14), ("OFFER", 6), ("FILLED", 18), ("CANCELLED", 7),
        ("CREATED", 8), ("ON_HOLD", 5), ("PUBLIC", 8), ("INTERNAL", 2), ("PRIVATE", 2),
        ("NOT_PUBLISHED", 2),
    ),
    _provider(
        "workable", 80, "code", 0,
        ("published", 50), ("closed", 20), ("archived", 20), ("draft", 10),
    ),
    _provider(
        "teamtailor", 70, "digits", 2,
        ("published", 42), ("archived", 24), ("draft", 12), ("unlisted", 8), ("internal", 5),
        ("expired", 5), ("pending", 2), ("scheduled", 2),
    ),
    _provider(
        "recruitee", 40, "number", 0,
        ("published", 45), ("closed", 20), ("archived", 18), ("draft", 12), ("internal", 5),
    ),
    _provider(
        "bamboohr|Bamboo HR", 70, "digits", -5,
        (_bamboo(1, "Open"), 48), (_bamboo(4, "Filled"), 24), (_bamboo(2, "Draft"), 12),
        (_bamboo(3, "OnHold"), 7), (_bamboo(4, "Canceled"), 6), ({"id": "1"}, 1), ({"id": 4}, 2),
    ),
    _provider(
        "bullhorn", 40, "number", 0,
        (True, 40), (False, 25), ("Accepting Candidates", 15), ("Currently Interviewing", 6),
        ("Offer Out", 2), ("Covered", 3), ("Placed", 3), ("Filled", 3), ("Lost", 2), ("Archive", 1),
    ),
    _provider(
        "successfactors|sapsuccessfactors|SAP SuccessFactors", 40, "digits", 1,
        ("1", 30), (1, 14), ("2", 18), (2, 6), ("0", 3), (0, 2), (1.0, 1), ({"id": "11393"}, 6),
        ("pre-approved", 4), ("Approved", 8), ("Closed", 5), ("SAPClosed", 1), ("SAPDeleted", 1),
        ("SAPReopened", 1),
    ),
    _provider(
        "taleo|oracle_taleo", 20, "digits", -5,
        ("Open", 40), ("Filled", 20), ("On Hold", 6), ("Canceled", 8), ("Draft", 6),
        ("Approved", 8), (1, 6), (3, 6),
    ),
    _provider(
        "peoplesoft", 12, "digits", -6,
        ("010", 40), (10, 10), ("110", 18), (110, 4), ("120", 8), ("005", 6), (5, 2), ("006", 4),
        (6, 2), ("008", 2), ("100", 3), (100, 1),
    ),
    _provider(
        "workday", 70, "uuid", -8,
        (_workday("8f4c1d2be1a30100f1d2a93c5b1c0000", "Open"), 48),
        (_workday("8f4c1d2be1a30101f1d2a93c5b1c0001", "Filled"), 16),
        (_workday("8f4c1d2be1a30102f1d2a93c5b1c0002", "Closed"), 14),
        (_workday("8f4c1d2be1a30103f1d2a93c5b1c0003", "Frozen"), 6),
        (_workday("8f4c1d2be1a30104f1d2a93c5b1c0004", "Draft"), 4),
        ({"id": "8f4c1d2be1a30100f1d2a93c5b1c0000", "descriptor": "Open"}, 8),
        ({"id": "8f4c1d2be1a30102f1d2a93c5b1c0002", "descriptor": "Closed"}, 4),
    ),
    _provider(
        "icims|iCIMS", 30, "digits", -5,
        (_icims("D31001", "Open"), 50), (_icims("D31002", "Closed"), 25),
        (_icims("D31005", "Approved"), 8), (_icims("D31010", "On Hold"), 7),
        (_icims("C12295", "Pending Approval"), 7), ({"id": "D31999"}, 3),
    ),
    _provider(
        "jazzhr|JazzHR", 30, "code", -5,
        ("Open", 46), ("Filled", 18), ("Closed", 12), ("On Hold", 7), ("Drafting", 5),
        ("Needs Approval", 4), ("Approved", 4), ("Cancelled", 2), ("Not Approved", 1),
        ("Needs to be Approved", 1),
    ),
    _provider(
        "zohorecruit|Zoho Recruit", 20, "digits", 5,
        ("In-progress", 48), ("Filled", 18), ("Waiting for approval", 10), ("On-Hold", 9),
        ("Cancelled", 7), ("Inactive", 5), ("Declined", 3),
    ),
    _provider(
        "breezy|breezyhr", 15, "code", 0,
        ("published", 50), ("closed", 20), ("archived", 15), ("draft", 12), ("pending", 3),
    ),
    _provider(
        "comeet|sparkhirerecruit", 10, "code", 0,
        ("open", 55), ("closed", 20), ("on hold", 10), ("Hired", 8), ("Canceled", 4),
        ("Pending", 3),
    ),
    _provider(
        "pinpoint", 10, "digits", 0,
        ("open", 50), ("closed", 22), ("draft", 12), ("pending_approval", 8), ("archived", 8),
    ),
    _provider(
        "cornerstone", 10, "number", -8,
        ("Open", 50), ("Closed", 30), ("Open pending re-approval", 8), ("Offen", 5), ("Ouvert", 4),
        ("Fermé", 3),
    ),
    _provider(
        "oraclefusion|Oracle Fusion", 15, "digits", 0,
        ("Open", 50), ("Filled", 22), ("Closed", 10), ("Draft", 8), ("On Hold", 5),
        ("Cancelled", 5),
    ),
    _provider("seek", 5, "digits", 10, ("Active", 60), ("Closed", 28), ("Incomplete", 12)),
    _provider(
        "deel", 6, "uuid", 0,
        ("OPEN", 50), ("CLOSED", 22), ("DRAFT", 9), ("WAITING_FOR_APPROVAL", 6), ("APPROVED", 6),
        ("NOT_APPROVED", 2), ("ARCHIVED", 5),
    ),
    _provider(
        "infor", 5, "digits", 0,
        ("Open", 50), ("Filled", 20), ("Approval Requested", 8), ("Pending", 6), ("On-Hold", 5),
        ("Draft", 4), ("Cancelled", 4), ("Closed", 3),
    ),
    _provider("cyberrecruiter", 4, "number", -5, ("O", 60), ("C", 28), ("H", 8), ("TEMPLATE", 4)),
    _provider("dvinci|d.vinci", 4, "number", 1, ("Aktiv", 60), ("Inaktiv", 30), ("Archiviert", 10)),
    _provider("steeple", 3, "uuid", 1, ("Offen", 60), ("Geschlossen", 30), ("Entwurf", 10)),
    _provider("altays", 3, "digits", 2, ("Publié", 70), ("Suspendu", 15), ("Brouillon", 15)),
    _provider("ceipal", 2, "code", -5, (7, 60), (12, 40)),
    _provider(
        "fitzii", 2, "number", -5,
        ("Open", 40), ("Closed", 25), ("New", 10), ("Approved", 6), ("Draft", 6), ("Pending", 5),
        ("Rejected", 3), ("Archived", 3), ("Deleted", 2),
    ),
)  # fmt: skip

# What customers make up, what changes without notice, and what no table can know.
UNMAPPED: tuple[tuple[str, Any], ...] = (
    ("greenhouse", "Evergreen"),
    ("greenhouse", "Backfill - Q3"),
    ("lever", "talentPool"),
    ("ashby", "Under Review"),
    ("workable", "Awaiting budget"),
    ("bamboohr", {"id": 17, "label": "Reopening in Q4"}),
    ("bullhorn", "Exclusive - Hot!"),
    ("successfactors", 7),
    ("taleo", 12.5),
    ("peoplesoft", "999"),
    ("workday", _workday("8f4c1d2be1a30109f1d2a93c5b1c0009", "Headcount Review")),
    ("workday", ["Open", "Closed"]),
    ("icims", {"id": "C40123", "value": "Phase 2", "formattedvalue": "Phase 2"}),
    ("jazzhr", "Zurückgestellt"),
    ("teamtailor", {"state": {"name": "awaiting works council"}}),
)

FORMS: tuple[str, ...] = (
    "plain", "with_status", "no_value", "given", "unmapped_value", "null", "missing", "no_pair",
    "status_only", "disagreeing", "camel_case", "scalar",
)  # fmt: skip
"""The ways in which a job holds its status, in the order of `Row.forms` and of their weights."""

_MEMBERS = frozenset((
    "published", "draft", "pending", "internal", "archived", "closed", "open", "deleted", "on_hold",
))  # fmt: skip


class Row(NamedTuple):
    """One status of one provider, ready to be set into a job.

    Attributes:
        provider: Its index in `PROVIDERS`.
        forms: For each of `FORMS`, the text to set among a job's fields: comma first, or empty.
    """

    provider: int
    forms: tuple[str, ...]


def _row(provider: int, raw: Any) -> Row:
    compact = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    # The other way to write the same JSON: spaces and escapes, which must survive as they are.
    spaced = json.dumps(raw)
    word = raw.lower() if isinstance(raw, str) else None
    member = word if word in _MEMBERS else None
    pair = f',"job_status":{{"value":null,"source_value":{compact}}}'
    status = "" if word is None else f',"status":{json.dumps(word)}'
    texts = {
        "plain": pair,
        "with_status": pair + status,
        "no_value": f',"job_status":{{"source_value":{spaced}}}',
        "given": f',"job_status":{{"value":"{member}","source_value":{compact}}}'
        if member
        else pair,
        "unmapped_value": f',"job_status":{{"value":"unmapped_value","source_value":{compact}}}',
        "null": ',"job_status":{"value":null,"source_value":null}' + status,
        "missing": f',"job_status":{{"value":{json.dumps(member)}}}' + status,
        "no_pair": ',"job_status":null' + status,
        "status_only": status or ',"status":"open"',
        "disagreeing": pair
        + (',"status":"open"' if word == "archived" else ',"status":"archived"'),
        "camel_case": f',"job_status":{{"value":null,"sourceValue":{compact}}}',
        "scalar": pair if isinstance(raw, (dict, list)) else f',"job_status":{compact}',
    }
    return Row(provider, tuple(texts[form] for form in FORMS))


def status_rows(unmapped_share: float) -> tuple[Sequence[Row], Sequence[float]]:
    """Every status of every provider, with its share of a feed.

    Args:
        unmapped_share: The share, 0 to 1, of the statuses that no table knows.

    Returns:
        The rows, those of `UNMAPPED` last, and as many weights, whose sum is 1.
    """
    index = {provider.names[0]: number for number, provider in enumerate(PROVIDERS)}
    rows: list[Row] = []
    weights: list[float] = []
    total = sum(provider.weight for provider in PROVIDERS)
    for number, provider in enumerate(PROVIDERS):
        share = (1 - unmapped_share) * provider.weight / total
        parts = sum(weight for _, weight in provider.statuses)
        for raw, weight in provider.statuses:
            rows.append(_row(number, raw))
            weights.append(share * weight / parts)
    for name, raw in UNMAPPED:
        rows.append(_row(index[name], raw))
        weights.append(unmapped_share / len(UNMAPPED))
    return rows, weights
