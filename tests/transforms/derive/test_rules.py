"""The status of a job: what decides, by which rule, and what is kept of its source."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import TypedDict

import pytest
from apache_beam.internal.cloudpickle import cloudpickle

from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import CASES, Case, difference
from transforms.blocks.unmapped import unmapped_key
from transforms.derive import rules as derive_module
from transforms.derive.lookup import Hit, RuleLookup
from transforms.derive.rules import Derived, Deriver, derive, explain
from transforms.json.text import kind_of

MAPPING = load_mapping()
DERIVER = Deriver(MAPPING)
WORKDAY = (
    '[{"ID":[{"attributes":{"wd:type":"WID"},"$value":"ab12"},'
    '{"attributes":{"wd:type":"Job_Requisition_Status_ID"},"$value":"Frozen"}]}]'
)


class Inputs(TypedDict):
    """The columns that a status is derived from."""

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


def text(json: str, provider: str | None = None) -> str | None:
    return derive(MAPPING, **inputs(json, provider=provider)).source_value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}: {case.json}"[:80])
def test_each_raw_status_comes_out_as_written_down(case: Case) -> None:
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
    missing = [rule for table in tables for rule in table.rules() if rule not in used]
    assert missing == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # 1. A value that is a member, however written.
        (
            inputs('"closed"', provider="workable", value="open"),
            Derived("open", "closed", "value", "given"),
        ),
        (inputs(value="ON-HOLD"), Derived("on_hold", None, "value", "given")),
        (inputs(value="closed", provider="workable"), Derived("closed", None, "value", "given")),
        # 2. The source value, mapped or not.
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
        # 3. A value of another word, by the labels for everybody alone.
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
        # 4. The legacy status, likewise.
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
        # 5. What happened.
        (
            inputs(event="ats_jobs.deleted", status=" ", value="unmapped_value"),
            Derived("deleted", None, "event_type", "event_type"),
        ),
        (
            inputs('{"label":null}', event="ats_job_postings.deleted"),
            Derived("deleted", '{"label":null}', "event_type", "event_type"),
        ),
        # 6. A bare unmapped_value.
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
def test_the_first_place_that_says_something_decides(given: Inputs, expected: Derived) -> None:
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


def test_the_label_that_mapped_is_kept_before_the_first_one() -> None:
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


def test_a_users_rule_comes_before_the_built_in_one_of_the_provider() -> None:
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
    # The search ends there, although a later table knows a closed job.
    assert result("lever", '"rejected"') == ("unmapped_value", "provider_rule")
    assert result("lever", '{"label":"rejected","status":"open"}') == (
        "unmapped_value",
        "provider_rule",
    )


def test_an_explanation_names_each_look_up_and_the_rule_that_decided() -> None:
    mapping = load_mapping("providers:\n  bamboohr:\n    codes: {archived: [4]}\n", "my.yaml")
    label, code = explain(mapping, "BambooHR", '{"id":4,"label":"Big-Zonk"}')
    assert (label.where, label.sought, label.rule) == (
        "source_value.label",
        'text "big zonk"',
        None,
    )
    assert label.tables == (
        "my.yaml for bamboohr",
        "schemas/mapping/job_status.yaml for bamboohr",
    )
    assert code.rule is not None
    assert (code.where, code.sought, code.outcome) == ("source_value.id", 'code "4"', "archived")
    assert code.rule.place == "my.yaml:3"


def test_an_explanation_follows_references() -> None:
    (step,) = explain(MAPPING, "workday", WORKDAY)
    assert step.where == "source_value[0].ID[1].$value"
    assert step.outcome == "on_hold"


def test_explaining_changes_no_result() -> None:
    for case in CASES:
        given = inputs(case.json, provider=case.provider)
        assert derive(MAPPING, **given, trace=[]) == derive(MAPPING, **given)


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
def test_what_needs_a_rule(given: Inputs, key: tuple[str | None, str] | None) -> None:
    derived = derive(MAPPING, **given)
    words = given["given_value"], given["provider"], given["legacy_status"]
    needed = unmapped_key(derived.derived_from, derived.source_value, *words)
    assert derived.derivation == "unmapped"
    assert needed == key


def test_a_deriver_remembers_and_forgets_within_its_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[bytes] = []
    original = RuleLookup.source

    def counted(self: RuleLookup, json: bytes, where: str) -> Hit | None:
        looked_up.append(json)
        return original(self, json, where)

    monkeypatch.setattr(RuleLookup, "source", counted)
    monkeypatch.setattr(derive_module, "_MAX_ENTRIES", 3)
    deriver = Deriver(MAPPING)
    for name in ("1", "2", "3", "2"):
        deriver(**inputs(name))
    assert looked_up == [b"1", b"2", b"3"]
    deriver(**inputs("4"))
    deriver(**inputs("1"))
    assert looked_up == [b"1", b"2", b"3", b"4", b"1"]


def test_one_source_value_with_many_events_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[str] = []
    original = RuleLookup.text
    monkeypatch.setattr(
        RuleLookup,
        "text",
        lambda self, text, where, scope: (
            looked_up.append(text) or original(self, text, where, scope)  # type: ignore[func-returns-value]
        ),
    )
    deriver = Deriver(MAPPING)
    for event in ("ats_jobs.created", "ats_jobs.updated"):
        for status in ("open", "closed"):
            deriver(**inputs('"Zonk"', event=event, status=status))
    # No provider has a rule for it, but some have one for a closed job.
    deriver(**inputs('"Zonk"', provider="lever"))
    assert looked_up == ["Zonk"]
    deriver(**inputs('"closed"', provider="lever"))
    deriver(**inputs('"closed"', provider="workable"))
    assert looked_up == ["Zonk", "closed", "closed"]


def test_what_one_provider_taught_does_not_mislead_another() -> None:
    deriver = Deriver(MAPPING)
    providers = [None, "nobody", *MAPPING.providers]
    for case in CASES:
        for provider in providers:
            given = inputs(case.json, provider=provider)
            assert deriver(**given) == derive(MAPPING, **given)


def test_a_derivers_memory_does_not_grow_with_long_or_many_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(derive_module, "_MAX_TOTAL_BYTES", 1_000_000)
    deriver = Deriver(MAPPING)
    tracemalloc.start()
    for number in range(3_000):
        deriver(**inputs(f'"{number:03000}"'))
        deriver(**inputs(f'"{number:020000}"'))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4_000_000


def test_a_deriver_travels_with_its_mapping_and_without_its_memory() -> None:
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
