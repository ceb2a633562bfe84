"""What `job-status mapping` prints."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.reports import explain_text, lint_text, print_text, suggest_text
from schemas.errors import UsageError
from schemas.mapping.file import FILL_IN, parse_mapping
from schemas.mapping.tables import VALUES, MappingError, Rule, built_in_file, load_mapping
from tests.transforms.derive_cases import CASES, Case, differences
from transforms.derive.rules import Deriver, derive
from transforms.json.text import kind_of

MAPPING = load_mapping()
WORKDAY = (
    '[{"ID":[{"attributes":{"wd:type":"WID"},"$value":"ab12"},'
    '{"attributes":{"wd:type":"Job_Requisition_Status_ID"},"$value":"Frozen"}]}]'
)
MINE = """\
labels:
  on_hold: [parked]
providers:
  workable: {labels: {closed: [closed]}}
  our own: {names: [OurATS], codes: {open: [7]}, booleans: {open: [true]}}
"""


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


@pytest.mark.parametrize(
    ("provider", "source", "result"),
    [
        ("bamboohr", '{"id":3,"label":"OnHold"}', "on_hold by provider_rule"),
        ("workable", '"closed"', "internal by provider_rule"),
        (None, "true", "unmapped_value by unmapped"),
        ("workday", WORKDAY, "on_hold by provider_rule"),
        ("jazzhr", '"paused"', "on_hold by global_rule"),
        (None, "null", "null by absent"),
        (None, ' "" ', "null by absent"),
    ],
)
def test_explain_ends_with_the_result(provider: str | None, source: str, result: str) -> None:
    lines = explain_text(provider, source, MAPPING).splitlines()
    assert lines[-2].startswith(f"result:       {result}, derived from ")
    assert lines[-1] == f"mapping:      {MAPPING.fingerprint}"


def test_explain_names_every_step_and_the_place_of_the_rule() -> None:
    mapping = load_mapping("providers:\n  bamboohr:\n    codes: {archived: [4]}\n", "my.yaml")
    source = '{"id":4,"label":"Big-Zonk"}'
    assert explain_text("Bamboo HR", source, mapping).splitlines()[:7] == [
        "provider:     bamboohr",
        'source_value: "Big-Zonk" (from a JSON object)',
        ' 1. source_value.label: text "big zonk"',
        "    looked into my.yaml for bamboohr, then schemas/mapping/job_status.yaml for bamboohr",
        "    no rule",
        ' 2. source_value.id: code "4"',
        "    looked into my.yaml for bamboohr, then schemas/mapping/job_status.yaml for bamboohr",
    ]
    assert '    code "4" means archived at my.yaml:3' in explain_text("bamboohr", source, mapping)


def test_explain_tells_an_unknown_provider_the_nearest_one() -> None:
    first = explain_text("greenhose", '"open"', MAPPING).splitlines()[0]
    assert "no table" in first
    assert first.endswith("did you mean greenhouse?")
    assert "did you mean" not in explain_text("acme", '"open"', MAPPING)


def test_explain_agrees_with_the_run() -> None:
    for case in CASES:
        lines = explain_text(case.provider, case.json, MAPPING).splitlines()
        assert f"result:       {case.value or 'null'} by {case.derivation}," in lines[-2]


@pytest.mark.parametrize(
    "source",
    ["closed", "", "{", "NaN", "'closed'", '"\\ud800"', '"\udc80"', "1 2", "[" * 201 + "]" * 201],
)
def test_explain_refuses_what_is_no_source_value(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain_text(None, source, MAPPING)
    assert caught.value.hint or "nested" in caught.value.message


def test_explain_takes_what_is_nested_200_deep() -> None:
    assert "too deep" in explain_text(None, "[" * 200 + "1" + "]" * 200, MAPPING)


@pytest.mark.parametrize("user", [None, MINE])
def test_what_print_prints_is_a_mapping_that_does_the_same(user: str | None) -> None:
    mapping = load_mapping(user, "my.yaml")
    text = print_text(mapping)
    assert mapping.fingerprint in text.splitlines()[0]
    again = load_mapping(text, "printed.yaml")
    assert len(parse_mapping(text, "").entries) >= len(built_in_file().entries)
    extra = [
        Case("workable", '"closed"', "closed" if user else "internal", "provider_rule"),
        Case("OurATS", "7", "open" if user else "unmapped_value", "provider_rule"),
    ]
    for case in [*CASES, *extra]:
        given: dict[str, Any] = {
            "provider": case.provider,
            "event_type": None,
            "given_value": None,
            "source_value_type": kind_of(case.json.encode()),
            "source_value_json": case.json,
            "legacy_status": None,
        }
        assert derive(again, **given) == derive(mapping, **given)
    if user is None:
        assert differences(Deriver(again)) == []


def test_print_says_where_each_rule_stands_and_what_is_overridden() -> None:
    lines = print_text(load_mapping(MINE, "my.yaml")).splitlines()
    assert "    - parked  # my.yaml:2" in lines
    assert "        - closed  # my.yaml:4" in lines
    assert '        - "7"  # my.yaml:5' in lines
    assert "        - true  # my.yaml:5" in lines
    assert "    names: [OurATS]" in lines
    overridden = [line for line in lines if "# overridden: " in line]
    assert len(overridden) == 1
    assert '"closed" means internal at schemas/mapping/job_status.yaml:' in overridden[0]


def test_lint_says_what_a_good_file_does() -> None:
    found = lint_text(MINE, "my.yaml")
    assert found.problems == 0
    assert found.text.splitlines() == [
        "my.yaml: fine: 2 labels, 1 code, 1 boolean",
        "my.yaml:5: our own is a provider not known before",
        'my.yaml:4: closed overrides: label "closed" means internal at workable',
    ]


def test_lint_notices_a_misspelt_provider() -> None:
    text = "providers: {greenhose: {labels: {open: [go]}}}"
    assert "did you mean greenhouse?" in lint_text(text, "my.yaml").text


def test_lint_lists_every_problem_with_its_line_and_hint() -> None:
    found = lint_text("labels:\n  opne: [go]\n  closed: [1, on]\n", "my.yaml")
    assert found.problems == 3
    assert found.text.splitlines() == [
        "my.yaml:2: labels: unknown value `opne`",
        "    Did you mean `open`?",
        "my.yaml:3: labels.closed: `1` is a code, not a label",
        "    Write it under providers.NAME.codes: the same number means different things at "
        "different providers.",
        "my.yaml:3: labels.closed: YAML takes `on` for the boolean true",
        '    Write it in quotes: "on".',
        "my.yaml: 3 problems",
    ]


def test_the_built_in_file_is_fine() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    assert len(lint_text(text, "built-in").text.splitlines()) == 1


def test_suggest_writes_a_file_to_fill_in() -> None:
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
    assert text.splitlines()[4:] == [
        "labels:",
        f"  {FILL_IN}:",
        '    - "Parkd"  # once',
        "providers:",
        "  successfactors:",
        "    labels:",
        f"      {FILL_IN}:",
        '        - "Zonk"  # 123 times',
        "  jazzhr:",
        "    labels:",
        f"      {FILL_IN}:",
        '        - "Drafted"  # 9 times; near: "draft" (draft), "Drafting" (draft)',
        "  acme:",
        "    booleans:",
        f"      {FILL_IN}:",
        "        - true  # 2 times",
        "  peoplesoft:",
        "    codes:",
        f"      {FILL_IN}:",
        '        - "0010"  # once',
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
    given: dict[str, Any] = {
        "provider": provider,
        "event_type": None,
        "given_value": None,
        "source_value_type": kind_of(source.encode()),
        "source_value_json": source,
        "legacy_status": None,
    }
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
def test_what_no_rule_can_help_is_a_comment(provider: str | None, text: str, reason: str) -> None:
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
def test_suggest_refuses_what_is_no_report(text: str | bytes) -> None:
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
def test_any_suggestion_lints_once_it_is_filled_in(rows: list[tuple[str | None, str, int]]) -> None:
    text = suggest_text(report(*rows), MAPPING)
    assert lint_text(text.replace(f"{FILL_IN}:", "closed:"), "filled.yaml").problems == 0
    assert FILL_IN in text or parse_mapping(text, "").entries == ()
    yaml.safe_load(text)


DOCS = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")


def _cell(rules: list[Rule]) -> str:
    texts = {value: [f"`{rule.text}`" for rule in rules if rule.value == value] for value in VALUES}
    return "; ".join(f"{value}: {', '.join(found)}" for value, found in texts.items() if found)


def _rows(*cells: str) -> str:
    return " ".join(["|", *(f"{cell} |" if cell else "|" for cell in cells)])


def test_the_docs_show_the_tables_as_they_are() -> None:
    for_everybody = MAPPING.global_tables[0].rules()
    for value in VALUES[:-1]:
        labels = ", ".join(rule.text for rule in for_everybody if rule.value == value)
        assert _rows(value, labels) in DOCS.splitlines()
    for provider in MAPPING.providers:
        (table,) = MAPPING.provider_tables(provider)
        names = "".join(f" ({name})" for name in MAPPING.other_names(provider))
        labels = _cell(list(table.labels.values()))
        others = _cell([*table.codes.values(), *table.booleans.values()])
        assert _rows(provider + names, labels, others) in DOCS.splitlines()


def test_the_example_mapping_of_the_docs_is_fine() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    found = lint_text(example, "docs.yaml")
    assert found.problems == 0
    assert found.text.startswith("docs.yaml: fine: 5 labels, 4 codes, 1 boolean")


def test_the_example_in_the_built_in_file_is_fine() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    example = re.findall(r"^#     (.*)$", text, re.MULTILINE)
    assert lint_text("\n".join(example), "example.yaml").problems == 0
    assert len(parse_mapping("\n".join(example), "").entries) == 8


def test_the_example_explanation_of_the_docs_is_what_is_printed() -> None:
    command, *shown = re.findall(r"^```\n\$ job-status mapping (.*?)```", DOCS, re.DOTALL | re.M)[
        0
    ].splitlines()
    _, _, provider, source = shlex.split(command)
    assert explain_text(provider, source, MAPPING).splitlines()[: len(shown)] == shown
