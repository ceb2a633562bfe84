"""Deriving a status: the field that decides, its rule, and the text of the source value."""

from __future__ import annotations

import pickle

import pytest
from apache_beam.internal.cloudpickle import cloudpickle

from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import (
    CASES,
    WORKDAY,
    Case,
    Inputs,
    difference,
    explain,
    inputs,
)
from transforms.blocks.unmapped import unmapped_key
from transforms.derive.rules import Derived, Deriver, derive

MAPPING = load_mapping()
DERIVER = Deriver(MAPPING)


def text(json: str, provider: str | None = None) -> str | None:
    return derive(MAPPING, **inputs(json, provider=provider)).source_value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}: {case.json}"[:80])
def test_each_source_value_has_the_expected_status(case: Case) -> None:
    assert difference(DERIVER, case) is None


def test_the_table_has_enough_cases() -> None:
    assert len({(case.provider, case.json) for case in CASES}) == len(CASES) >= 200
    assert {case.provider for case in CASES} >= set(MAPPING.providers)


def test_every_built_in_rule_has_a_case() -> None:
    used = {
        step.rule
        for case in CASES
        for step in explain(MAPPING, case.provider, case.json)
        if step.rule is not None
    }
    tables = [*MAPPING.global_tables]
    for provider in MAPPING.providers:
        tables += MAPPING.provider_tables(provider)
    rules = [
        rule
        for table in tables
        for rule in [*table.labels.values(), *table.codes.values(), *table.booleans.values()]
    ]
    assert [rule for rule in rules if rule not in used] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # 1. A value that is a status, in any spelling.
        (
            inputs('"closed"', provider="workable", value="open"),
            Derived("open", "closed", "value", "given"),
        ),
        (inputs(value="ON-HOLD"), Derived("on_hold", None, "value", "given")),
        (inputs(value="closed", provider="workable"), Derived("closed", None, "value", "given")),
        # 2. The source value, with or without a rule.
        (
            inputs('"closed"', value="filled", status="open", provider="workable"),
            Derived("internal", "closed", "source_value", "provider_rule"),
        ),
        (
            inputs('"zonk"', value="filled", status="open"),
            Derived("unmapped_value", "zonk", "source_value", "unmapped"),
        ),
        (
            inputs('"closed"', value="unmapped_value"),
            Derived("closed", "closed", "source_value", "global_rule"),
        ),
        (
            inputs("false", status="open"),
            Derived("unmapped_value", "false", "source_value", "unmapped"),
        ),
        # 3. A value that is another word: only by the labels for all providers.
        (inputs('""', value="filled"), Derived("closed", "", "value", "global_rule")),
        (inputs(value="onHold"), Derived("on_hold", None, "value", "global_rule")),
        (
            inputs(value="lost", provider="bullhorn", status="open"),
            Derived("unmapped_value", None, "value", "unmapped"),
        ),
        (
            inputs("[null]", value="1", provider="successfactors"),
            Derived("unmapped_value", "[null]", "value", "unmapped"),
        ),
        # 4. The legacy status, in the same way.
        (
            inputs(status="closed", provider="workable"),
            Derived("closed", None, "status", "global_rule"),
        ),
        (
            inputs(status="lost", provider="bullhorn", event="ats_jobs.deleted"),
            Derived("unmapped_value", None, "status", "unmapped"),
        ),
        (
            inputs(status="2", provider="successfactors"),
            Derived("unmapped_value", None, "status", "unmapped"),
        ),
        (
            inputs(status="open", value="unmapped_value"),
            Derived("open", None, "status", "global_rule"),
        ),
        (
            inputs(status="filled", event="ats_jobs.deleted"),
            Derived("closed", None, "status", "global_rule"),
        ),
        # 5. The event.
        (
            inputs(event="ats_jobs.deleted", status=" ", value="unmapped_value"),
            Derived("deleted", None, "event_type", "event_type"),
        ),
        (
            inputs('{"label":null}', event="ats_job_postings.deleted"),
            Derived("deleted", '{"label":null}', "event_type", "event_type"),
        ),
        # 6. Only unmapped_value.
        (
            inputs("null", value="unmapped value"),
            Derived("unmapped_value", None, "value", "unmapped"),
        ),
        # 7. Nothing.
        (inputs(), Derived(None, None, "nothing", "absent")),
        (inputs("null", value=" ", status="-"), Derived(None, None, "nothing", "absent")),
        (inputs('" "', event=None), Derived(None, " ", "nothing", "absent")),
        (inputs(event="deleted"), Derived(None, None, "nothing", "absent")),
    ],
)
def test_the_first_field_with_content_decides(given: Inputs, expected: Derived) -> None:
    assert derive(MAPPING, **given) == expected


@pytest.mark.parametrize(
    ("json", "coerced"),
    [
        ('"  On Hold "', "  On Hold "),
        ('"tab\\tand \\u00e9"', "tab\tand é"),
        ('"\\u0000"', "\0"),
        ('""', ""),
        ("1.0", "1.0"),
        ("-0", "-0"),
        ("1E+2", "1E+2"),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        ("0." + "123456789" * 20, "0." + "123456789" * 20),
        ("true", "true"),
        ("false", "false"),
        ('{"id":9,"label":"Zonk"}', "Zonk"),
        ('{"label":"Zonk","status":"Open"}', "Open"),
        ('{"label":"","name":null,"status":"Zonk"}', "Zonk"),
        ('{"label":1.50}', "1.50"),
        ('{"label":{"name":"Zonk"}}', "Zonk"),
        ('{"label":{"odd":"Zonk"}}', '{"odd":"Zonk"}'),
        ('{"a" : 1.0 ,\n"b":[ ] }', '{"a":1.0,"b":[]}'),
        ('{"a":1,"a":2}', '{"a":1,"a":2}'),
        ('{"label":"Open","label":"Zonk"}', "Zonk"),
        ('{"label":"Zonk","Label":"Zink"}', "Zonk"),
        ('{"value":"open","source_value":"Offen"}', "Offen"),
        ('{"value":"open","source_value":{"x":"y","label":"Offen"}}', "Offen"),
        ('{"value":"open","source_value":null}', "open"),
        ('["Zonk"]', "Zonk"),
        ('[null,"Zonk",""]', "Zonk"),
        ("[ 1.0 ]", "1.0"),
        ('["Open" , "Open"]', '["Open","Open"]'),
        ("[]", "[]"),
        ("{ }", "{}"),
        (WORKDAY, "Frozen"),
        (WORKDAY.replace("Frozen", "Zonk"), "Zonk"),
        ('[[[["Zonk"]]]]', "Zonk"),
        ('[[[[["Zonk"]]]]]', '["Zonk"]'),
    ],
)
def test_a_source_value_is_coerced_to_a_text(json: str, coerced: str) -> None:
    assert text(json) == coerced


def test_the_text_is_the_label_with_a_rule_or_else_the_first_label() -> None:
    assert text('{"name":"Zonk","status":"OnHold"}', "bamboohr") == "OnHold"
    assert text('{"id":3}', "bamboohr") == '{"id":3}'
    assert text('{"id":3,"label":"Zonk"}', "bamboohr") == "Zonk"


def test_a_text_is_kept_up_to_4096_characters() -> None:
    assert text('"' + "é" * 5000 + '"') == "é" * 4096
    assert text("1" * 5000) == "1" * 4096
    assert text('["' + "x" * 5000 + '",1]') == '["' + "x" * 4094


def test_a_label_of_over_256_characters_has_no_rule() -> None:
    mapping = load_mapping(f"labels: {{open: [{'x' * 256}]}}")
    results = [
        derive(mapping, **inputs(f'"{"x" * n}"')).derivation for n in (255, 256, 257, 10_000)
    ]
    assert results == ["unmapped", "global_rule", "unmapped", "unmapped"]


def test_a_users_rule_precedes_the_built_in_rule_of_the_provider() -> None:
    mapping = load_mapping(
        "labels: {open: [zonk], draft: [closed]}\n"
        "providers:\n"
        "  workable: {labels: {archived: [closed]}}\n"
        "  bamboohr: {codes: {archived: [4]}}\n"
        "  ashby: {booleans: {closed: [false]}}\n"
        "  lever: {labels: {unmapped_value: [rejected]}}\n"
        "  acme: {codes: {open: [X9]}, booleans: {open: [true]}}\n"
    )

    def result(provider: str | None, json: str) -> tuple[str | None, str]:
        derived = derive(mapping, **inputs(json, provider=provider))
        return derived.value, derived.derivation

    assert result("workable", '"closed"') == ("archived", "provider_rule")
    assert result("workable", '"draft"') == ("draft", "provider_rule")
    assert result("bamboohr", "4") == ("archived", "provider_rule")
    assert result("bamboohr", '{"id":4,"label":"Zonk"}') == ("archived", "provider_rule")
    assert result("ashby", "false") == ("closed", "provider_rule")
    assert result("ashby", "true") == ("published", "provider_rule")
    assert result(None, '"closed"') == ("draft", "global_rule")
    assert result("workable", '"zonk"') == ("open", "global_rule")
    assert result("acme", '" X9 "') == ("open", "provider_rule")
    assert result("acme", '"x9"') == ("unmapped_value", "unmapped")
    assert result("Acme", "true") == ("open", "provider_rule")
    # The search ends there, although a later table has a rule for it.
    assert result("lever", '"rejected"') == ("unmapped_value", "provider_rule")
    assert result("lever", '{"label":"rejected","status":"open"}') == (
        "unmapped_value",
        "provider_rule",
    )


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (inputs('"Zonk"', provider="acme", value="filled"), ("acme", "Zonk")),
        (inputs('{"id":"9"}', provider="icims"), ("icims", '{"id":"9"}')),
        (inputs("true"), (None, "true")),
        (inputs(value="zonk", provider="acme"), (None, "zonk")),
        (inputs(status="zonk", provider="acme"), (None, "zonk")),
        (inputs(status="unmapped_value"), (None, "unmapped_value")),
        (inputs(value="unmapped_value", provider="acme"), None),
    ],
)
def test_an_unmapped_status_has_the_key_of_the_rule_it_needs(
    given: Inputs, key: tuple[str | None, str] | None
) -> None:
    derived = derive(MAPPING, **given)
    words = given["given_value"], given["provider"], given["legacy_status"]
    needed = unmapped_key(derived.derived_from, derived.source_value, *words)
    assert derived.derivation == "unmapped"
    assert needed == key


def test_a_pickled_deriver_has_its_mapping_but_not_what_was_derived() -> None:
    deriver = Deriver(load_mapping("labels: {open: [zonk]}"))
    empty = len(pickle.dumps(deriver))
    for number in range(1000):
        deriver(**inputs(f'"{number}"'))
    assert len(pickle.dumps(deriver)) == empty
    for copy in (
        pickle.loads(pickle.dumps(deriver)),
        cloudpickle.loads(cloudpickle.dumps(deriver)),
    ):
        assert copy(**inputs('"zonk"')).value == "open"
        assert copy.mapping.fingerprint == deriver.mapping.fingerprint


def test_a_deriver_takes_its_arguments_in_the_order_of_derive() -> None:
    given = inputs('"x"', provider="p", value="v", status="s")
    assert DERIVER(*given.values()) == DERIVER(**given)  # type: ignore[arg-type]
