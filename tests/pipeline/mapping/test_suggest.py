"""`job-status mapping suggest`."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.lint import lint_text
from pipeline.mapping.suggest import suggest_text
from schemas.errors import UsageError
from schemas.mapping.file import FILL_IN, parse_mapping
from schemas.mapping.problems import MappingError
from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import inputs
from transforms.derive.rules import derive

MAPPING = load_mapping()


def report(*rows: tuple[str | None, str, int]) -> str:
    return json.dumps(
        {
            "run_id": "r",
            "unmapped": [
                {"provider": provider, "source_value": text, "count": count}
                for provider, text, count in rows
            ],
        }
    )


def test_the_result_is_a_file_to_fill_in() -> None:
    text = suggest_text(
        report(
            ("SAP SuccessFactors", "Zonk", 120),
            ("jazz hr", "Drafted", 9),
            ("SuccessFactors", "zonk", 3),
            ("acme", "true", 2),
            (None, "Parkd", 1),
            ("peoplesoft", "0010", 1),
        ),
        MAPPING,
        "r.json",
    )
    assert text.splitlines()[5:] == [
        "labels:",
        f"  {FILL_IN}:",
        '    - "Parkd"  # once, 0.7 %',
        "providers:",
        "  successfactors:",
        "    labels:",
        f"      {FILL_IN}:",
        '        - "Zonk"  # 123 times, 90.4 %',
        "  jazzhr:",
        "    labels:",
        f"      {FILL_IN}:",
        '        - "Drafted"  # 9 times, 6.6 %; near: "draft" (draft)',
        "  acme:",
        "    booleans:",
        f"      {FILL_IN}:",
        "        - true  # 2 times, 1.5 %",
        "  peoplesoft:",
        "    codes:",
        f"      {FILL_IN}:",
        '        - "0010"  # once, 0.7 %',
    ]


def test_a_suggestion_cannot_be_used_before_it_is_filled_in() -> None:
    text = suggest_text(report(("acme", "Zonk", 1)), MAPPING)
    with pytest.raises(MappingError):
        load_mapping(text)


@pytest.mark.parametrize(
    ("provider", "source", "kind"),
    [
        ("acme", '"Zonk"', "label"),
        ("acme", '"on, "', "label"),
        ("acme", '"- yes: {x} # \\" \\\\ \\u2028 \\ufffe \\ud83d\\ude00"', "label"),
        ("acme", '"O"', "label"),
        ("acme", '"zonk\\u0085"', "label"),
        ("acme", "7", "code"),
        ("acme", '"7"', "code"),
        ("acme", '"007"', "code"),
        ("acme", "-1", "code"),
        ("acme", "7.0", "code"),
        ("acme", "7e1", "code"),
        ("acme", '"7-8"', "code"),
        ("acme", '{"id":"11393"}', "code"),
        ("acme", '{"id":11393,"colour":"x"}', "code"),
        ("acme", '{"id":"","code":7}', "code"),
        ("acme", "false", "boolean"),
        ("acme", '{"name":"Zonk"}', "label"),
        ("yes", '"Zonk"', "label"),
        ("Our: # ATS", '"Zonk"', "label"),
        (None, '"Zonk"', "label"),
    ],
)
def test_a_filled_in_suggestion_maps_what_was_unmapped(
    provider: str | None, source: str, kind: str
) -> None:
    given = inputs(source, provider=provider, event=None)
    unmapped = derive(MAPPING, **given)
    assert unmapped.derivation == "unmapped"
    text = suggest_text(report((provider, unmapped.source_value or "", 3)), MAPPING)
    filled_in = text.replace(f"{FILL_IN}:", "archived:")
    assert [entry.kind for entry in parse_mapping(filled_in, "").entries] == [kind]
    assert derive(load_mapping(filled_in), **given).value == "archived"


@pytest.mark.parametrize(
    ("provider", "text", "reason"),
    [
        (None, "7", "a number needs a provider"),
        (None, "007", "a number needs a provider"),
        (None, "true", "a boolean needs a provider"),
        (None, "O", "a single letter or a boolean needs a provider"),
        (None, "True", "a single letter or a boolean needs a provider"),
        ("acme", "x" * 255 + "…", "too long for a rule"),
        ("acme", '["Open","Closed"]', "has no label that could be mapped"),
        ("acme", '{"colour":"red"}', "has no label that could be mapped"),
        ("acme", "1.5", "no whole number of at most 18 digits"),
        ("acme", "1e400", "no whole number of at most 18 digits"),
        (None, '{"id":7}', "an id needs a provider"),
    ],
)
def test_a_text_without_a_possible_rule_is_a_comment(
    provider: str | None, text: str, reason: str
) -> None:
    suggested = suggest_text(report((provider, text, 2)), MAPPING)
    assert parse_mapping(suggested, "").entries == ()
    assert suggested.rstrip().endswith(reason)


def test_a_report_without_unmapped_texts_needs_no_file() -> None:
    text = suggest_text(report(), MAPPING)
    assert "nothing to fill in" in text
    assert parse_mapping(text, "").entries == ()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"unmapped":1}', b"\xff", '{"unmapped":[{"provider":"x"}]}', "[" * 9999],
)
def test_another_file_than_a_report_is_refused(text: str | bytes) -> None:
    with pytest.raises(UsageError) as caught:
        suggest_text(text, MAPPING, "r.json")
    assert caught.value.message == "r.json is not the report of a run"


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(codec="utf-8"), max_size=8),
            st.text(st.characters(codec="utf-8"), max_size=20),
            st.integers(1, 99),
        ),
        max_size=8,
    )
)
def test_any_filled_in_suggestion_is_valid(rows: list[tuple[str | None, str, int]]) -> None:
    text = suggest_text(report(*rows), MAPPING)
    assert lint_text(text.replace(f"{FILL_IN}:", "closed:"), "filled.yaml")[1] == 0
    assert FILL_IN in text or parse_mapping(text, "").entries == ()
    yaml.safe_load(text)


def test_only_statuses_without_a_rule_are_asked_for() -> None:
    mapping = load_mapping(
        "labels: {on_hold: [parked]}\n"
        "providers:\n"
        "  acme: {labels: {open: [go, 'null']}, codes: {open: [7]}, booleans: {open: [true]}}\n"
    )
    texts = ("Go", "7", "7.0", "true", "false", "Zonk", "null", '{"id":7,"x":1}', '["Go","Parked"]')
    rows = [*(("acme", text, 1) for text in texts), (None, "PARKED", 1), (None, "Go", 1)]
    filled_in = suggest_text(report(*rows), mapping).replace(f"{FILL_IN}:", "closed:")
    assert [(entry.provider, entry.text) for entry in parse_mapping(filled_in, "").entries] == [
        *((None, "Go"), ("acme", "Zonk"), ("acme", "false")),
    ]


def test_a_rule_that_means_unmapped_is_a_rule() -> None:
    mapping = load_mapping("labels: {unmapped_value: [template]}")
    assert "nothing to fill in" in suggest_text(report((None, "Template", 1)), mapping)


def test_a_name_that_is_near_a_known_one_is_added_to_its_names() -> None:
    text = suggest_text(
        report(
            ("lever_hiring", "Rejected", 5),
            ("workable-ats", "Zonk", 3),
            ("Workable ATS", "closed", 2),
            ("workable", "zonk", 1),
        ),
        MAPPING,
    )
    lines = text.splitlines()
    assert lines[lines.index("providers:") :] == [
        "providers:",
        "  workable:",
        "    names:",
        '      - "workable-ats"  # 5 times, 45.5 %',
        "    labels:",
        f"      {FILL_IN}:",
        '        - "Zonk"  # 4 times, 36.4 %',
        "  lever:",
        "    names:",
        '      - "lever_hiring"  # 5 times, 45.5 %',
    ]
    assert "similar to the name of the provider above it" in text


def test_a_name_that_is_added_gets_the_table_of_its_provider() -> None:
    text = suggest_text(report(("lever_hiring", "Rejected", 5)), MAPPING)
    mapping = load_mapping(text)
    assert mapping.provider("Lever-Hiring") == "lever"
    assert FILL_IN not in text


@pytest.mark.parametrize("name", ["acme", "greenhire", "jobseeker", "oracle"])
def test_a_name_that_is_near_none_gets_its_own_table(name: str) -> None:
    text = suggest_text(report((name, "Zonk", 5)), MAPPING)
    assert f"\n  {name}:\n" in text
    assert "names" not in text


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Open - Sourcing", 'near: "sourcing" (open), "open" (open)'),
        ("awaiting aproval", 'near: "awaiting approval" (pending)'),
    ],
)
def test_a_text_has_the_near_labels_first_those_it_contains(text: str, near: str) -> None:
    assert near in suggest_text(report((None, text, 1)), MAPPING)


def test_a_text_with_nothing_near_has_no_near_label() -> None:
    assert "near:" not in suggest_text(report((None, "Zonk", 1)), MAPPING)
