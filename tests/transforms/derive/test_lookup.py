"""The steps of a look-up in the tables."""

from __future__ import annotations

from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import CASES, WORKDAY, explain, inputs
from transforms.derive.rules import derive

MAPPING = load_mapping()


def test_an_explanation_has_each_look_up_and_its_rule() -> None:
    mapping = load_mapping("providers:\n  bamboohr:\n    codes: {archived: [4]}\n", "my.yaml")
    label, code = explain(mapping, "BambooHR", '{"id":4,"label":"Big-Zonk"}')
    assert (label.path, label.query, label.rule) == (
        "source_value.label",
        'text "big zonk"',
        None,
    )
    assert label.tables == (
        "my.yaml for bamboohr",
        "schemas/mapping/job_status.yaml for bamboohr",
    )
    assert code.rule is not None
    assert (code.path, code.query, code.outcome) == ("source_value.id", 'code "4"', "archived")
    assert code.rule.place == "my.yaml:3"


def test_an_explanation_has_the_path_of_each_reference() -> None:
    (step,) = explain(MAPPING, "workday", WORKDAY)
    assert step.path == "source_value[0].ID[1].$value"
    assert step.outcome == "on_hold"


def test_explaining_changes_no_result() -> None:
    for case in CASES:
        given = inputs(case.json, provider=case.provider)
        assert derive(MAPPING, **given, trace=[]) == derive(MAPPING, **given)
