"""The expected status of each source value, written by hand and independent of the mapping file.

A line is `JSON => value` or `JSON => value by derivation`. The default derivation is a rule of the
provider; without a provider, a rule for all providers. The cases of tests/mapping_cases follow.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from schemas.mapping.file import UNMAPPED
from schemas.mapping.tables import Mapping
from tests.mapping_cases import load_cases
from transforms.derive.lookup import Step
from transforms.derive.rules import Deriver, derive
from transforms.json.text import kind_of


class Case(NamedTuple):
    """A source value and its expected status."""

    provider: str | None
    json: str
    value: str | None
    derivation: str


_BY_PROVIDER: dict[str | None, str] = {
    "greenhouse": """
        "open" => open
        "opened" => open
        "closed" => closed
        "draft" => draft
        "OPEN" => open
        " Closed " => closed
        "new" => unmapped_value by unmapped
        "approved" => unmapped_value by unmapped
        "on_hold" => on_hold by global_rule
        1 => unmapped_value by unmapped
        "1" => unmapped_value by unmapped
        true => published
        false => unmapped_value by unmapped
        null => null by absent
        "" => null by absent
        " _-./ " => null by absent
        [] => null by absent
        {} => null by absent
        [null, "", {"label": " "}] => null by absent
    """,
    "lever": """
        "published" => published
        "internal" => internal
        "closed" => closed
        "draft" => draft
        "pending" => pending
        "rejected" => closed
        "open" => open
        "onHold" => on_hold
        "ONHOLD" => on_hold
        "on hold" => on_hold by global_rule
        "On-Hold" => on_hold by global_rule
    """,
    "ashby": """
        "Open" => open
        "Closed" => closed
        "Draft" => draft
        "Archived" => archived
        "Published" => published
        true => published
        false => internal
        "true" => unmapped_value by unmapped
        ["Open"] => open
        ["Open", "Open"] => open
        ["Open", null, "", [], "open"] => open
        ["Open", "active"] => open by global_rule
        ["Open", "Closed"] => unmapped_value by unmapped
        ["Open", "Open", "Frobnicated"] => unmapped_value by unmapped
        ["Open", 1] => unmapped_value by unmapped
        [true, "published"] => published
        [["Open"], {"name": "open"}] => open
    """,
    "smartrecruiters": """
        "CREATED" => draft
        "SOURCING" => open
        "INTERVIEW" => open
        "OFFER" => open
        "FILLED" => closed
        "CANCELLED" => closed
        "ON_HOLD" => on_hold
        "PUBLIC" => published
        "INTERNAL" => internal
        "PRIVATE" => internal
        "NOT_PUBLISHED" => draft
        "notPublished" => draft
        {"status": "SOURCING"} => open
    """,
    "workable": """
        "draft" => draft
        "published" => published
        "archived" => archived
        "closed" => internal
        "CLOSED" => internal
        "Open" => open by global_rule
        {"value": null, "source_value": "closed"} => internal
        {"value": "unmapped_value", "source_value": "closed"} => internal
        {"value": "closed", "source_value": null} => closed by given
        {"value": "closed", "source_value": "closed"} => closed by given
        {"value": "close", "source_value": ""} => closed by global_rule
        {"value": "unmapped_value", "source_value": null} => unmapped_value by unmapped
        {"value": null, "source_value": null} => null by absent
        {"value": "filled", "source_value": "frobnicated"} => unmapped_value by unmapped
        {"value": 1, "source_value": null} => unmapped_value by unmapped
        {"source_value": {"value": null, "source_value": "closed"}} => internal
        {"value": null, "sourceValue": "closed"} => internal
    """,
    "teamtailor": """
        "published" => published
        "unlisted" => published
        "draft" => draft
        "pending" => pending
        "scheduled" => pending
        "expired" => closed
        "archived" => archived
        "internal" => internal
    """,
    "recruitee": """
        "published" => published
        "internal" => internal
        "closed" => closed
        "archived" => archived
        "draft" => draft
    """,
    "bamboohr": """
        "Open" => open
        "Draft" => draft
        "OnHold" => on_hold
        "Filled" => closed
        "Canceled" => closed
        1 => open
        2 => draft
        3 => on_hold
        4 => closed
        "2" => draft
        5 => unmapped_value by unmapped
        {"id": 1, "label": "Open"} => open
        {"id": 2, "label": "Draft"} => draft
        {"id": 3, "label": "OnHold"} => on_hold
        {"id": 4, "label": "Filled"} => closed
        {"id": 4, "label": "Canceled"} => closed
        {"id": 1, "label": "Filled"} => closed
        {"id": 4, "label": "Active"} => closed
        {"id": 99, "label": "Active"} => open by global_rule
        {"id": 3} => on_hold
        {"id": "3"} => on_hold
        {"code": 3} => on_hold
        {"ID": 3, "Label": null} => on_hold
        {"id": 99, "label": "Frobnicated"} => unmapped_value by unmapped
        {"id": true} => unmapped_value by unmapped
        {"id": "Open"} => unmapped_value by unmapped
        {"code": "Open"} => unmapped_value by unmapped
        {"label": {"name": "Active"}, "id": 4} => closed
        {"label": ["Open", "Active"]} => open by global_rule
        {"number": 3} => unmapped_value by unmapped
    """,
    "bullhorn": """
        true => open
        false => closed
        "Accepting Candidates" => open
        "Currently Interviewing" => open
        "Offer Out" => open
        "Covered" => on_hold
        "Placed" => closed
        "Filled" => closed
        "Lost" => closed
        "Archive" => archived
        "true" => unmapped_value by unmapped
        1 => unmapped_value by unmapped
        {"value": true} => open
        [false] => closed
    """,
    "successfactors": """
        0 => pending
        1 => open
        2 => closed
        "0" => pending
        "1" => open
        "2" => closed
        -0 => pending
        2.0 => closed
        "2.0" => unmapped_value by unmapped
        " 2 " => closed
        "-1" => unmapped_value by unmapped
        -1 => unmapped_value by unmapped
        "_2" => unmapped_value by unmapped
        "pre-approved" => pending
        "Pre-Approved" => pending
        "preApproved" => pending
        "approved" => open
        "Approved" => open
        "closed" => closed
        "SAPClosed" => closed
        "SAPDeleted" => deleted
        "SAPReopened" => open
        {"id": "11393"} => unmapped_value by unmapped
        {"id": "2"} => closed
        true => unmapped_value by unmapped
        false => unmapped_value by unmapped
        {"id": false} => unmapped_value by unmapped
    """,
    "taleo": """
        1 => draft
        3 => pending
        "3" => pending
        2 => unmapped_value by unmapped
        "Open" => open
        "Draft" => draft
        "On Hold" => on_hold
        "Filled" => closed
        "Canceled" => closed
        "Approved" => pending
        true => unmapped_value by unmapped
    """,
    "peoplesoft": """
        "005" => draft
        5 => draft
        "5" => draft
        "006" => pending
        6 => pending
        "6" => pending
        "008" => closed
        8 => closed
        "8" => closed
        "010" => open
        10 => open
        "10" => open
        10.0 => open
        1e1 => open
        1E+1 => open
        0.1e2 => open
        100e-1 => open
        "0010" => unmapped_value by unmapped
        "10.0" => unmapped_value by unmapped
        "1e1" => unmapped_value by unmapped
        10.5 => unmapped_value by unmapped
        -10 => unmapped_value by unmapped
        1e2 => on_hold
        100 => on_hold
        "100" => on_hold
        110 => closed
        "110" => closed
        120 => closed
        "120" => closed
        1e1000000000 => unmapped_value by unmapped
        1e-1000000000 => unmapped_value by unmapped
        1e99999999999999999999 => unmapped_value by unmapped
    """,
    "workday": """
        [{"ID": [{"attributes": {"wd:type": "WID"}, "$value": "a1"}, \
{"attributes": {"wd:type": "Job_Requisition_Status_ID"}, "$value": "Open"}]}] => open
        [{"ID": [{"attributes": {"wd:type": "WID"}, "$value": "a1"}, \
{"attributes": {"wd:type": "Job_Requisition_Status_ID"}, "$value": "Closed"}]}] => closed
        [{"ID": [{"attributes": {"wd:type": "Job_Requisition_Status_ID"}, "$value": "Frozen"}, \
{"attributes": {"wd:type": "WID"}, "$value": "a1"}]}] => on_hold
        [{"ID": [{"attributes": {"wd:type": "Job_Requisition_Status_ID"}, "$value": "Paused"}]}] \
=> on_hold by global_rule
        [{"ID": [{"attributes": {"wd:type": "WID"}, "$value": "Open"}]}] \
=> unmapped_value by unmapped
        [{"ID": [{"attributes": {"wd:type": "Other"}, "$value": "ab12"}, \
{"attributes": {"wd:type": "Job_Requisition_Status_ID"}, "$value": "Open"}]}] \
=> unmapped_value by unmapped
        {"id": "a1", "descriptor": "Open"} => open
        {"id": "a1", "descriptor": "Closed"} => closed
        {"id": "a1", "descriptor": "Filled"} => closed
        {"id": "a1", "descriptor": "Frozen"} => on_hold
        {"id": "a1", "descriptor": "Draft"} => draft
        "Open" => open
        "Closed" => closed
        "Filled" => closed
        "Frozen" => on_hold
        "Draft" => draft
    """,
    "icims": """
        {"id": "D31001", "value": "Approved", "formattedvalue": "Approved"} \
=> unmapped_value by unmapped
        {"id": "D31002", "value": "Open", "formattedvalue": "Open"} => open by global_rule
        {"id": "D31003", "formattedvalue": "On Hold"} => on_hold by global_rule
        {"id": "D31004"} => unmapped_value by unmapped
    """,
    "jazzhr": """
        "Open" => open
        "On Hold" => on_hold
        "Approved" => pending
        "Needs Approval" => pending
        "Needs to be Approved" => pending
        "Not Approved" => pending
        "Drafting" => draft
        "Filled" => closed
        "Cancelled" => closed
        "Closed" => closed
    """,
    "zohorecruit": """
        "In-progress" => open
        "Waiting for approval" => pending
        "On-Hold" => on_hold
        "Filled" => closed
        "Cancelled" => closed
        "Declined" => closed
        "Inactive" => closed
    """,
    "breezy": """
        "draft" => draft
        "archived" => archived
        "published" => published
        "closed" => closed
        "pending" => pending
    """,
    "comeet": """
        "open" => open
        "on hold" => on_hold
        "closed" => closed
        "Hired" => closed
        "Canceled" => closed
        "Pending" => pending
    """,
    "pinpoint": """
        "draft" => draft
        "pending_approval" => pending
        "open" => open
        "closed" => closed
        "archived" => archived
    """,
    "cornerstone": """
        "Open" => open
        "Open pending re-approval" => open
        "closed" => closed
        "Geschlossen" => closed by global_rule
        "Fermée" => closed by global_rule
        "Abierto" => open by global_rule
    """,
    "oraclefusion": """
        "Draft" => draft
        "Open" => open
        "On Hold" => on_hold
        "Filled" => closed
        "Closed" => closed
        "Cancelled" => closed
    """,
    "seek": """
        "Incomplete" => draft
        "Active" => open
        "Closed" => closed
    """,
    "deel": """
        "DRAFT" => draft
        "WAITING_FOR_APPROVAL" => pending
        "APPROVED" => pending
        "NOT_APPROVED" => closed
        "OPEN" => open
        "CLOSED" => closed
        "ARCHIVED" => archived
    """,
    "infor": """
        "Draft" => draft
        "Approval Requested" => pending
        "Pending" => pending
        "Open" => open
        "On-Hold" => on_hold
        "Filled" => closed
        "Cancelled" => closed
        "Closed" => closed
    """,
    "cyberrecruiter": """
        "O" => open
        "H" => on_hold
        "C" => closed
        "o" => open
        "TEMPLATE" => unmapped_value
        "Closed" => closed by global_rule
        {"label": "TEMPLATE", "status": "O"} => unmapped_value
    """,
    "dvinci": """
        "Aktiv" => open
        "Inaktiv" => closed
        "Archiviert" => archived
    """,
    "steeple": """
        "Entwurf" => draft
        "Offen" => open
        "Geschlossen" => closed
    """,
    "altays": """
        "Publié" => published
        "PUBLIE" => published
        "Suspendu" => on_hold
        "Brouillon" => draft
    """,
    "ceipal": """
        1 => unmapped_value by unmapped
        "1" => unmapped_value by unmapped
        42 => unmapped_value by unmapped
        "Open" => open by global_rule
    """,
    "fitzii": """
        "Draft" => draft
        "Pending" => pending
        "Approved" => pending
        "Rejected" => closed
        "New" => open
        "Open" => open
        "Closed" => closed
        "Archived" => archived
        "Deleted" => deleted
    """,
    # Other names of providers, and other spellings of a name.
    "SAP SuccessFactors": '"2" => closed',
    "sapsuccessfactors": '"SAPDeleted" => deleted',
    "Oracle Taleo": "3 => pending",
    "oracletaleo": '"Approved" => pending',
    "BreezyHR": '"closed" => closed',
    "sparkhirerecruit": '"Hired" => closed',
    "Spark Hire: Recruit!": '"Hired" => closed',
    "Workable": '"closed" => internal',
    "WORK-ABLE": '"closed" => internal',
    "Zoho Recruit": '"In-progress" => open',
    "Bamboo_HR": "4 => closed",
    "workables": '"closed" => closed by global_rule',
    "nobody": """
        true => unmapped_value by unmapped
        false => unmapped_value by unmapped
        0 => unmapped_value by unmapped
        10 => unmapped_value by unmapped
        "O" => unmapped_value by unmapped
        "closed" => closed by global_rule
    """,
    None: """
        "open" => open
        "opened" => open
        "reopened" => open
        "active" => open
        "accepting candidates" => open
        "accepting applications" => open
        "currently interviewing" => open
        "interviewing" => open
        "sourcing" => open
        "in progress" => unmapped_value by unmapped
        "inProgress" => unmapped_value by unmapped
        "recruiting" => open
        "hiring" => open
        "online" => open
        "live" => open
        "offen" => open
        "aktiv" => open
        "ouvert" => open
        "ouverte" => open
        "abierto" => open
        "abierta" => open
        "published" => published
        "public" => published
        "posted" => published
        "veröffentlicht" => published
        "VERÖFFENTLICHT" => published
        "veroffentlicht" => published
        "publié" => published
        "publiée" => published
        "publicado" => published
        "publicada" => published
        "draft" => draft
        "drafting" => draft
        "incomplete" => draft
        "unpublished" => draft
        "not published" => draft
        "entwurf" => draft
        "brouillon" => draft
        "borrador" => draft
        "pending" => pending
        "pending approval" => pending
        "waiting for approval" => pending
        "awaiting approval" => pending
        "needs approval" => pending
        "approval requested" => pending
        "pre approved" => pending
        "scheduled" => pending
        "en attente" => pending
        "pendiente" => pending
        "internal" => internal
        "internal only" => internal
        "private" => internal
        "intern" => internal
        "interne" => internal
        "interno" => internal
        "interna" => internal
        "İNTERNAL" => internal
        "on hold" => on_hold
        "hold" => on_hold
        "onhold" => on_hold
        "paused" => on_hold
        "frozen" => on_hold
        "suspended" => on_hold
        "pausiert" => on_hold
        "suspendu" => on_hold
        "suspendue" => on_hold
        "en pausa" => on_hold
        "on–hold" => on_hold
        "on/hold" => on_hold
        "ＯＮ　ＨＯＬＤ" => on_hold
        "closed" => closed
        "close" => closed
        "filled" => closed
        "placed" => closed
        "completed" => closed
        "cancelled" => closed
        "canceled" => closed
        "declined" => closed
        "denied" => closed
        "expired" => closed
        "inactive" => closed
        "finished" => closed
        "geschlossen" => closed
        "inaktiv" => closed
        "fermé" => closed
        "fermée" => closed
        "clôturé" => closed
        "clôturée" => closed
        "cloturee" => closed
        "cerrado" => closed
        "cerrada" => closed
        "archived" => archived
        "archive" => archived
        "archiviert" => archived
        "archivé" => archived
        "archivée" => archived
        "archivado" => archived
        "archivada" => archived
        "deleted" => deleted
        "removed" => deleted
        "gelöscht" => deleted
        "supprimé" => deleted
        "supprimée" => deleted
        "eliminado" => deleted
        "eliminada" => deleted
        "approved" => unmapped_value by unmapped
        "new" => unmapped_value by unmapped
        "template" => unmapped_value by unmapped
        "unknown" => unmapped_value by unmapped
        "other" => unmapped_value by unmapped
        "n/a" => unmapped_value by unmapped
        "none" => unmapped_value by unmapped
        "null" => unmapped_value by unmapped
        "error" => unmapped_value by unmapped
        "unmapped_value" => unmapped_value by unmapped
        "o" => unmapped_value by unmapped
        "0" => unmapped_value by unmapped
        "10" => unmapped_value by unmapped
        1 => unmapped_value by unmapped
        true => unmapped_value by unmapped
        false => unmapped_value by unmapped
        "true" => unmapped_value by unmapped
        {"id": 4, "label": "Active"} => open
        {"status_name": "Active"} => open
        {"statusName": "Active"} => open
        {"state": "Active"} => open
        {"title": "Active"} => open
        {"text": "Active"} => open
        {"name": "Active"} => open
        {"value": "Active"} => open
        {"displayName": "Active"} => open
        {"display_name": "Active"} => open
        {"formattedvalue": "Active"} => open
        {"FormattedValue": "Active"} => open
        {"$value": "Active"} => open
        {"descriptor": "Active"} => open
        {"status": "Active"} => open
        {"STATUS": "Active"} => open
        {"colour": "Active"} => unmapped_value by unmapped
        {"label": "Frobnicated", "status": "Closed"} => closed
        {"status": "Closed", "label": "Open"} => open
        [[[["open"]]]] => open
        [[[[["open"]]]]] => unmapped_value by unmapped
        {"label": {"label": {"label": {"label": "open"}}}} => open
        {"label": {"label": {"label": {"label": {"label": "open"}}}}} => unmapped_value by unmapped
    """,
}


def _parse(provider: str | None, line: str) -> Case:
    json, _, expected = line.rpartition(" => ")
    value, _, derivation = expected.partition(" by ")
    by_table = "global_rule" if provider is None else "provider_rule"
    return Case(provider, json.strip(), None if value == "null" else value, derivation or by_table)


def _add_mapping_cases(cases: list[Case]) -> None:
    """Adds the cases of the files whose cases have a known derivation, without repetitions."""
    known = {(case.provider, case.json) for case in cases}
    for case in load_cases():
        if (case.provider, case.json) in known:
            continue
        if case.file.startswith(("providers_", "global")):
            rule = "global_rule" if case.provider is None else "provider_rule"
            derivation = "unmapped" if case.value == UNMAPPED else rule
            cases.append(Case(case.provider, case.json, case.value, derivation))


CASES = [
    _parse(provider, line)
    for provider, lines in _BY_PROVIDER.items()
    for line in lines.strip().splitlines()
]
_add_mapping_cases(CASES)


WORKDAY = (
    '[{"ID":[{"attributes":{"wd:type":"WID"},"$value":"ab12"},'
    '{"attributes":{"wd:type":"Job_Requisition_Status_ID"},"$value":"Frozen"}]}]'
)
"""A status of Workday: two references to the same status, the first by an opaque id."""


class Inputs(TypedDict):
    """The columns that a status is derived from, with the names of the arguments of `derive`."""

    provider: str | None
    event_type: str | None
    given_value: str | None
    source_value_type: str
    source_value_json: str | None
    legacy_status: str | None


def inputs(
    json: str | None = None,
    *,
    provider: str | None = None,
    value: str | None = None,
    status: str | None = None,
    event: str | None = "ats_jobs.updated",
) -> Inputs:
    return {
        "provider": provider,
        "event_type": event,
        "given_value": value,
        "source_value_type": "missing" if json is None else kind_of(json.encode()),
        "source_value_json": json,
        "legacy_status": status,
    }


def explain(mapping: Mapping, provider: str | None, json: str) -> list[Step]:
    """Returns the steps that derive a status from a source value alone."""
    steps: list[Step] = []
    derive(mapping, **inputs(json, provider=provider, event=None), trace=steps)
    return steps


def difference(deriver: Deriver, case: Case) -> str | None:
    """Returns a message if a case has another result than expected."""
    derived = deriver(**inputs(case.json, provider=case.provider, event=None))
    if (derived.value, derived.derivation) == (case.value, case.derivation):
        return None
    return f"{case}: got {derived.value} by {derived.derivation}"


def differences(deriver: Deriver) -> list[str]:
    """Returns the messages for all cases."""
    return [found for case in CASES if (found := difference(deriver, case)) is not None]
