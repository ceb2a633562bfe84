"""The expected status of each source value, written by hand and independent of the mapping file.

Most cases are in tests/mapping_cases. Here are cases whose derivation matters, and numbers that
YAML would change. A line is `JSON => value` or `JSON => value by derivation`. The default
derivation is a rule of the provider; without a provider, a rule for all providers.
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
        null => null by absent
        "" => null by absent
        " _-./ " => null by absent
        [] => null by absent
        {} => null by absent
        [null, "", {"label": " "}] => null by absent
    """,
    "ashby": """
        ["Open", "Open"] => open
        ["Open", "active"] => open by global_rule
        ["Open", "Open", "Frobnicated"] => unmapped_value by unmapped
        ["Open", 1] => unmapped_value by unmapped
        [true, "published"] => published
        [["Open"], {"name": "open"}] => open
    """,
    "workable": """
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
    "bamboohr": """
        {"id": 1, "label": "Filled"} => closed
        {"id": 4, "label": "Active"} => closed
        {"id": 3} => on_hold
        {"code": 3} => on_hold
        {"id": true} => unmapped_value by unmapped
        {"id": "Open"} => unmapped_value by unmapped
        {"code": "Open"} => unmapped_value by unmapped
        {"label": {"name": "Active"}, "id": 4} => closed
        {"label": ["Open", "Active"]} => open by global_rule
    """,
    "bullhorn": """
        {"isOpen": false} => closed
        {"isOpen": false, "status": {"name": "Active"}} => open by global_rule
        [false] => closed
    """,
    "successfactors": """
        -0 => pending
        2.0 => closed
        " 2 " => closed
        {"id": false} => unmapped_value by unmapped
    """,
    "peoplesoft": """
        1e1 => open
        1E+1 => open
        0.1e2 => open
        100e-1 => open
        "1e1" => unmapped_value by unmapped
        1e2 => on_hold
        1e1000000000 => unmapped_value by unmapped
        1e-1000000000 => unmapped_value by unmapped
        1e99999999999999999999 => unmapped_value by unmapped
    """,
    "workday": """
        [{"ID": [{"attributes": {"wd:type": "WID"}, "$value": "Open"}]}] \
=> unmapped_value by unmapped
    """,
    "cyberrecruiter": """
        "TEMPLATE" => unmapped_value
        "Template" => unmapped_value
        {"label": "TEMPLATE", "status": "O"} => unmapped_value
    """,
    None: """
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


def _mapping_cases() -> list[Case]:
    """Returns the cases of tests/mapping_cases whose derivation follows from their file."""
    cases = []
    for provider, json, value, file in load_cases():
        if value == UNMAPPED:
            cases.append(Case(provider, json, value, "unmapped"))
        elif provider is None or file in ("global.yaml", "fallbacks.yaml"):
            cases.append(Case(provider, json, value, "global_rule"))
        elif file.startswith("providers_"):
            cases.append(Case(provider, json, value, "provider_rule"))
    return cases


_HERE = [
    _parse(provider, line)
    for provider, lines in _BY_PROVIDER.items()
    for line in lines.strip().splitlines()
]
# A case here precedes the same one of a file.
CASES = list({case[:2]: case for case in (*_mapping_cases(), *_HERE)}.values())


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
